// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Lock} from "@postroad/evm/Lock.sol";
import {Endpoint} from "./Endpoint.sol";
import {IInbox} from "./interfaces/IInbox.sol";
import {ILightClient} from "./interfaces/ILightClient.sol";
import {BatchReader} from "./libraries/BatchReader.sol";
import {Frame} from "./libraries/Frame.sol";
import {Lanes} from "./libraries/Lanes.sol";
import {Message, Messages} from "./libraries/Messages.sol";

/// @title The receiving half of a gateway.
/// @notice A message's whole state is one bit: set = executed with success exactly once, clear = no effect whatsoever.
///
/// Storage: the bits live in the ERC-7201 namespace `postroad.inbox.delivered`, which proofs refer to and which can never
/// move. Cursors of ordered lanes and debts of fee-charging ones will have namespaces of their own. What stands below is
/// read on this chain only.
abstract contract Inbox is Endpoint, IInbox {
    /// @dev A remote endpoint: two words that a delivery reads, and a third one when it is retired.
    struct RemoteRecord {
        ILightClient client;
        bool paused;
        /// Chain type, length of the chain reference, and the reference itself when it has at most 8 bytes.
        bytes11 chain;
        address gateway;
        bool retired;
        /// Whether another endpoint was registered for its chain after it was retired.
        bool succeeded;
        /// How many of its inbound lanes are paused: their words are read only when there are any.
        uint32 pausedLanes;
        /// While it is retired: the last height at which it is believed.
        uint256 lastHeight;
    }

    /// @dev A batch on its way through `deliver`. Its messages are [first, stop). Its bytes lie in the call's data from `begin`
    /// to `end`, its items from `items`.
    struct Run {
        uint256 first;
        uint256 stop;
        uint256 extraGas;
        uint256 begin;
        uint256 items;
        uint256 end;
        /// Memory for the leaves of all items.
        uint256 leaves;
        /// The full message read last.
        Message message;
        /// Found by the first pass: whether any full message is still to be delivered, how many items have fields of their own,
        /// and where the last one's end.
        bool fresh;
        uint256 changes;
        uint256 fieldsEnd;
        /// For the second pass: the sender's chain, and FAILED or EXPIRED when the message read last is not to be tried.
        bytes chainPart;
        uint256 bar;
    }

    /// @dev Where members stand in the second word of a remote's record, behind its gateway.
    uint256 private constant RETIRED_AT = 160;
    uint256 private constant PAUSED_LANES_AT = 176;
    uint256 private constant FAILED = 1 << 64;
    uint256 private constant EXPIRED = 1 << 128;
    /// @dev Block gas limits from here on let a call reach the end of the EVM's call stack, 1,024 below the transaction's own
    /// frame. A call gets at most 63/64 of its caller's gas, so a delivery that leaves its recipient less than Frame.HEADROOM
    /// frames, at depth 1,023 - Frame.HEADROOM = 959 or below it, has at most 2^35 * (63/64)^959 = 9,485 gas under a lower
    /// limit: less than the 10,000 that the frame around a recipient asks for by itself.
    uint256 private constant DEPTH_IN_REACH = 1 << 35;
    uint256 private constant INLINE_REFERENCE = 8;
    /// @dev Version, chain type and length before a chain reference.
    uint256 private constant BEFORE_REFERENCE = 5;

    mapping(bytes32 endpointId => RemoteRecord) internal _remotes;
    /// @dev Chain parts whose reference has more than 8 bytes.
    mapping(bytes32 endpointId => bytes) private _longChainParts;
    mapping(bytes32 laneId => bool) private _pausedLanes;

    constructor() {
        Lock.prepare();
    }

    /// @dev One delivery at a time on all lanes: a recipient cannot deliver, so no message runs inside another.
    modifier locked() {
        if (Lock.isTaken()) revert DeliverIsLocked();
        Lock.take();
        _;
        Lock.release();
    }

    /// @inheritdoc IInbox
    function deliver(bytes calldata batch, bytes calldata proof)
        external
        locked
        returns (Outcome outcome, uint256 executed, uint256 failed, uint256 expired)
    {
        (bytes32 source, bytes32 channel, uint256 flags, uint256 place) = BatchReader.readLane(batch);
        if (flags != 0) revert UnsupportedLaneFlags(flags);
        RemoteRecord storage record = _remotes[source];
        ILightClient client = record.client;
        if (address(client) == address(0)) revert UnknownRemote(source);
        if (record.paused) revert RemoteIsPaused(source);
        bytes32 laneId = Lanes.id(source, endpointId, channel, 0);

        // First pass: what was sent, if the proof bears it out. Nothing is believed yet.
        (uint256 first, uint256 stop, uint256 extraGas, uint256 items) = BatchReader.readRange(batch, place);
        Run memory run = Run({
            first: first,
            stop: stop,
            extraGas: extraGas,
            begin: BatchReader.begin(batch),
            items: items,
            end: BatchReader.end(batch),
            leaves: Messages.reserveLeaves(first, stop),
            message: Message({
                version: Messages.LEAF_VERSION,
                laneId: laneId,
                sequence: 0,
                sender: 0,
                recipient: 0,
                gasLimit: 0,
                deadline: 0,
                fee: 0,
                payloadHash: 0
            }),
            fresh: false,
            changes: 0,
            fieldsEnd: 0,
            chainPart: "",
            bar: 0
        });
        bytes32 head;
        (head, place) = _rehash(run, BatchReader.word(place));
        uint256 last = _last(run, place);
        if (!run.fresh) return (Outcome.AlreadyDelivered, 0, 0, 0);
        head = Messages.appendAll(head, place, run.end);
        _requireSent(record, client, proof, laneId, last / Lanes.PAGE, head, source);
        if (block.gaslimit >= DEPTH_IN_REACH) Frame.requireHeadroom();

        // Second pass: execute. Where several items have fields they are read again from the start, so what they carry on from
        // starts again too; where only the first has, the first pass has left them as all messages need them.
        if (run.changes != 1) (run.message.gasLimit, run.message.deadline, run.message.fee) = (0, 0, 0);
        run.chainPart = _chainPart(source, record.chain);
        uint256 counts = _execute(run);
        return (Outcome.Processed, uint64(counts), uint64(counts / FAILED), counts / EXPIRED);
    }

    /// @notice The frame around a recipient's call; only the gateway calls it, with raw bytes behind the selector.
    /// @dev Payable only to be spared a check of the value: the gateway sends none. (The name's selector comes first in the
    /// dispatch.)
    function forwardMessage() external payable {
        Frame.enter();
    }

    /// @notice A ladder of calls to itself, as deep as the single byte of the call's data says; returns when its last rung has.
    /// Only the gateway has a use for it: it proves that the call stack goes on so far. All else that fits no function reverts.
    /// @dev Data of less than a selector reaches it before any function is looked for.
    fallback() external {
        Frame.climb();
    }

    /// @inheritdoc IInbox
    function pauseInboundLane(bytes32 source, bytes32 channel, uint8 flags) external restricted {
        _setInboundPaused(source, channel, flags, true);
    }

    /// @inheritdoc IInbox
    function unpauseInboundLane(bytes32 source, bytes32 channel, uint8 flags) external restricted {
        _setInboundPaused(source, channel, flags, false);
    }

    /// @inheritdoc IInbox
    function isDelivered(bytes32 laneId, uint64 sequence) external view returns (bool) {
        return delivered(laneId, sequence / Lanes.PAGE) >> (sequence % Lanes.PAGE) & 1 != 0;
    }

    /// @inheritdoc IInbox
    function delivered(bytes32 laneId, uint256 page) public view returns (uint256) {
        return Lanes.load(Lanes.slot(Lanes.root(Lanes.DELIVERED, laneId), page));
    }

    /// @dev Keeps a remote's chain part for `_chainPart`.
    function _setChainPart(bytes32 source, bytes calldata chainPart) internal {
        if (chainPart.length <= BEFORE_REFERENCE + INLINE_REFERENCE) {
            _remotes[source].chain = bytes11(chainPart[2:]);
        } else {
            _remotes[source].chain = bytes3(chainPart[2:BEFORE_REFERENCE]);
            _longChainParts[source] = chainPart;
        }
    }

    /// @dev The chain part of a remote's addresses; `chain` is its record's.
    function _chainPart(bytes32 source, bytes11 chain) internal view returns (bytes memory part) {
        uint256 length = uint8(chain[2]);
        if (length > INLINE_REFERENCE) return _longChainParts[source];
        bytes32 word = bytes32(bytes2(0x0001)) | bytes32(chain) >> 16;
        assembly ("memory-safe") {
            part := mload(0x40)
            mstore(part, add(length, BEFORE_REFERENCE))
            mstore(add(part, 0x20), word)
            mstore(0x40, add(part, 0x40))
        }
    }

    /// @dev Hashes the items onto the head before them: `head` becomes the one after the last item, `tail` is where the leaves
    /// behind the items begin.
    function _rehash(Run memory run, bytes32 previousHead) private view returns (bytes32 head, uint256 tail) {
        head = previousHead;
        uint256 place = run.items;
        uint256 sequence = run.first;
        uint256 leaves = run.leaves;
        Message memory message = run.message;
        // The tag of a message like the one before in all but its payload; none can be before the first full one.
        uint256 like = type(uint256).max;
        // Places grow by less than 2^25 an item and sequences from 64 bits: neither wraps a word.
        unchecked {
            while (true) {
                uint256 pageStop = _pageStop(sequence, run.stop);
                uint256 full = 0;
                for (; sequence != pageStop; ++sequence) {
                    uint256 item = place;
                    uint256 tag = BatchReader.tagAt(item);
                    if (tag != BatchReader.LEAF) {
                        if (tag == like) {
                            place = item + 1;
                        } else {
                            if (!BatchReader.isFull(tag, like != BatchReader.FULL)) {
                                revert MalformedBatch(item - run.begin);
                            }
                            place = BatchReader.readFields(message, tag, item);
                            like = BatchReader.FULL;
                            ++run.changes;
                            run.fieldsEnd = place;
                        }
                        uint256 length = BatchReader.lengthAt(place);
                        place += 3 + length;
                        if (place > run.end) revert MalformedBatch(item - run.begin);
                        full |= 1 << (sequence % Lanes.PAGE);
                        bytes32 leaf = Messages.leafOf(message, sequence, place - length, length);
                        (head, leaves) = Messages.append(head, leaf, leaves);
                    } else {
                        place = item + BatchReader.LEAF_ITEM;
                        if (place > run.end) revert MalformedBatch(item - run.begin);
                        (head, leaves) = Messages.append(head, BatchReader.word(item + 1), leaves);
                    }
                }
                if (full & ~delivered(message.laneId, (sequence - 1) / Lanes.PAGE) != 0) run.fresh = true;
                if (sequence == run.stop) {
                    if (like != BatchReader.FULL) revert MalformedBatch(run.items - run.begin);
                    // Returned from within, so that the compiler keeps the pass apart and its variables on the stack.
                    return (head, place);
                }
            }
        }
    }

    /// @dev The sequence of the last message that a batch hashes, its tail begins at `tail`.
    function _last(Run memory run, uint256 tail) private pure returns (uint256 last) {
        unchecked {
            if ((run.end - tail) % 32 != 0) revert MalformedBatch(tail - run.begin);
            last = run.stop + (run.end - tail) / 32 - 1;
            if (last > type(uint64).max) revert MalformedBatch(run.end - run.begin);
        }
    }

    /// @dev Asks a remote's light client whether its gateway holds this head for a page of a lane. Height and time of the header
    /// are the client's concern, for heads only grow: any header that it believes will do, unless the remote is retired.
    function _requireSent(
        RemoteRecord storage record,
        ILightClient client,
        bytes calldata proof,
        bytes32 laneId,
        uint256 page,
        bytes32 head,
        bytes32 source
    ) private view {
        bytes32 slot = Lanes.slot(Lanes.root(Lanes.HEADS, laneId), page);
        bytes4 selector = ILightClient.storageAt.selector;
        // Loaded once and whole: what follows the gateway in the word is zero nearly always.
        uint256 second;
        bytes32 proven;
        uint256 height;
        // As the compiler would call, but for the two numbers that are not decoded, which would be a third of it: a height beyond
        // 64 bits is higher than any. An answer that is too short, as from an account without code, is no answer.
        assembly ("memory-safe") {
            second := sload(add(record.slot, 1))
            let place := mload(0x40)
            mstore(place, selector)
            mstore(add(place, 0x04), 0x60)
            mstore(add(place, 0x24), shr(96, shl(96, second)))
            mstore(add(place, 0x44), slot)
            mstore(add(place, 0x64), proof.length)
            calldatacopy(add(place, 0x84), proof.offset, proof.length)
            mstore(add(add(place, 0x84), proof.length), 0)
            let size := add(0x84, and(add(proof.length, 0x1f), not(0x1f)))
            let ok := staticcall(gas(), client, place, size, 0x00, 0x40)
            if iszero(ok) {
                returndatacopy(place, 0x00, returndatasize())
                revert(place, returndatasize())
            }
            if lt(returndatasize(), 0x60) { revert(0x00, 0x00) }
            proven := mload(0x00)
            height := mload(0x20)
        }
        if (proven != head) revert HeadMismatch(head, proven);
        if (second >> RETIRED_AT != 0) _requireUnbarred(source, laneId, second, height);
    }

    /// @dev Refuses a paused lane, what a retired remote sent after its last height, and all of it once another endpoint speaks for
    /// its chain.
    /// @param second The second word of the remote's record.
    function _requireUnbarred(bytes32 source, bytes32 laneId, uint256 second, uint256 height) private view {
        if (second >> PAUSED_LANES_AT != 0 && _pausedLanes[laneId]) revert InboundLaneIsPaused(laneId);
        RemoteRecord storage record = _remotes[source];
        if (!record.retired) return;
        if (record.succeeded) revert RemoteIsSucceeded(source);
        if (height > record.lastHeight) revert BeyondRetirement(source, height, record.lastHeight);
    }

    /// @dev Runs every full message of a proven batch that is due, page by page.
    /// @return counts How many were executed, failed and expired, in units of 1, FAILED and EXPIRED.
    function _execute(Run memory run) private returns (uint256 counts) {
        uint256 frame = Frame.create(this.forwardMessage.selector, run.chainPart);
        uint256 payloadAt = 0;
        uint256 place = run.items;
        uint256 sequence = run.first;
        uint256 leaves = run.leaves;
        // The first pass has read the same items, and they ended within the batch.
        unchecked {
            while (true) {
                bytes32 slot = Lanes.slot(Lanes.root(Lanes.DELIVERED, run.message.laneId), sequence / Lanes.PAGE);
                uint256 pageStop = _pageStop(sequence, run.stop);
                uint256 mask = 0;
                for (; sequence != pageStop; ++sequence) {
                    bytes32 id = Messages.leafAt(leaves);
                    leaves += 32;
                    uint256 tag = BatchReader.tagAt(place);
                    if (tag == BatchReader.LEAF) {
                        place += BatchReader.LEAF_ITEM;
                        continue;
                    }
                    if (tag == BatchReader.FULL) {
                        ++place;
                    } else {
                        (place, payloadAt) = _readFields(run, tag, place, frame, payloadAt);
                    }
                    uint256 length = BatchReader.lengthAt(place);
                    place += 3 + length;

                    uint256 bit = 1 << (sequence % Lanes.PAGE);
                    uint256 word = Lanes.load(slot);
                    if (word & bit != 0) continue;
                    if (run.bar != 0) {
                        counts += run.bar;
                        _emitBarred(run.bar, id);
                        continue;
                    }
                    Lanes.store(slot, word | bit);
                    if (Frame.call(frame, payloadAt, id, place - length, length)) {
                        ++counts;
                        mask |= bit;
                    } else {
                        Frame.requireFair();
                        Lanes.store(slot, Lanes.load(slot) & ~bit);
                        counts += FAILED;
                        emit MessageFailed(id, Frame.reason());
                    }
                }
                if (mask != 0) _emitDelivered(run, sequence, mask);
                // Returned from within for the same reason as in the first pass.
                if (sequence == run.stop) return counts;
            }
        }
    }

    /// @dev Reads what differs from the full message before, and passes it on to the frame.
    function _readFields(Run memory run, uint256 tag, uint256 place, uint256 frame, uint256 payloadAt)
        private
        view
        returns (uint256, uint256)
    {
        Message memory message = run.message;
        place = run.changes == 1 ? run.fieldsEnd : BatchReader.readFields(message, tag, place);
        if (tag & BatchReader.SENDER != 0) payloadAt = Frame.setSender(frame, run.chainPart, message.sender);
        unchecked {
            Frame.setTarget(frame, message.recipient, message.gasLimit + run.extraGas);
        }
        // A deadline is a second of this chain's clock, by definition: a block producer's leeway is the chain's own.
        // slither-disable-next-line timestamp
        if (message.deadline != 0 && block.timestamp > message.deadline) run.bar = EXPIRED;
        else run.bar = uint256(message.recipient) >> 160 != 0 ? FAILED : 0;
        return (place, payloadAt);
    }

    function _emitBarred(uint256 bar, bytes32 id) private {
        if (bar == EXPIRED) emit MessageExpired(id);
        else emit MessageFailed(id, "");
    }

    /// @dev The event of one page, whose part in the batch ends before `stop`.
    function _emitDelivered(Run memory run, uint256 stop, uint256 mask) private {
        unchecked {
            uint256 first = (stop - 1) & ~(Lanes.PAGE - 1);
            if (first < run.first) first = run.first;
            emit Delivered(run.message.laneId, uint64(first), stop - first, mask);
        }
    }

    function _setInboundPaused(bytes32 source, bytes32 channel, uint8 flags, bool paused) private {
        RemoteRecord storage record = _remotes[source];
        if (address(record.client) == address(0)) revert UnknownRemote(source);
        bytes32 laneId = Lanes.id(source, endpointId, channel, flags);
        if (_pausedLanes[laneId] == paused) return;
        _pausedLanes[laneId] = paused;
        if (paused) ++record.pausedLanes;
        else --record.pausedLanes;
        emit InboundLanePaused(laneId, paused);
    }

    function _pageStop(uint256 sequence, uint256 stop) private pure returns (uint256) {
        unchecked {
            uint256 next = (sequence | (Lanes.PAGE - 1)) + 1;
            return next < stop ? next : stop;
        }
    }
}
