// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IInbox} from "../../src/interfaces/IInbox.sol";
import {BatchEncoder, Sent} from "../support/BatchEncoder.sol";
import {GatewayTest} from "../support/GatewayTest.sol";
import {Hostile, Recorder} from "../support/Recipients.sol";

/// @title What senders, relayers, recipients, a guardian and time can do in any order. It is the test contract of its own
/// world, so that the runner's calls come from the roles that the world gave out.
contract DeliveryHandler is GatewayTest {
    /// @dev The lane's first message: so short before a page's end that a run crosses it.
    uint256 public constant FIRST = 248;

    Sent[] private _sent;
    bytes32[] private _headBefore;
    Recorder public honest;
    Recorder public moody;
    Hostile public hostile;
    address public nobody = makeAddr("nobody");
    bytes private _lastBatch;
    uint256 private _lastPage;
    bytes32 private _lastHead;

    uint256 public delivered;
    uint256 public starved;
    uint256 public failures;
    uint256 public replayed;

    /// @dev Not a constructor: the world calls itself.
    function begin() external {
        setUp();
        honest = new Recorder();
        moody = new Recorder();
        hostile = new Hostile();
        bytes32 laneWord = keccak256(
            abi.encode(
                lane, keccak256(abi.encode(uint256(keccak256("postroad.outbox.heads")) - 1)) & ~bytes32(uint256(0xff))
            )
        );
        vm.store(address(a), laneWord, bytes32(uint256(vm.load(address(a), laneWord)) | FIRST));
        _send(address(honest), "the first", 0, 0);
        assertEq(_sent[0].sequence, FIRST);
    }

    function sent() external view returns (uint256) {
        return _sent.length;
    }

    function message(uint256 index) external view returns (Sent memory) {
        return _sent[index];
    }

    function gateways() external view returns (address, address, bytes32) {
        return (address(a), address(b), lane);
    }

    // Actions

    function sendSome(uint256 seed, uint8 howMany) external {
        uint256 n = uint256(howMany) % 4 + 1;
        for (uint256 i = 0; i < n; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            address[4] memory to = [address(honest), address(moody), address(hostile), nobody];
            bytes memory payload = abi.encode((seed >> 8) % 12);
            uint64 deadline = seed & 7 == 0 ? uint64(block.timestamp + (seed >> 16) % 50) : 0;
            if (a.outboundLane(lane).paused || a.remote(idB).paused) {
                _requireRefused(address(a), abi.encodeCall(a.sendMessage, (interoperable(CHAIN_B, alice), "", none())));
                return;
            }
            _send(to[(seed >> 24) % 4], payload, deadline, _head());
        }
    }

    /// @dev Any range, any choice of whole messages, with gas from too little to plenty.
    function deliver(uint256 seed, uint256 full, uint256 gas) external {
        uint256 n = _sent.length;
        uint256 from = seed % 3 == 0 ? (seed >> 8) % n : n - 1 - (seed >> 8) % (n < 12 ? n : 12);
        uint256 to = from + 1 + (seed >> 40) % 12;
        if (to > n) to = n;
        full &= (1 << (to - from)) - 1;
        if (full == 0) full = 1;
        gas = seed & 1 == 0 ? 60_000_000 : bound(gas, 30_000, 3_000_000);
        bytes memory batch = _encode(from, to, full, uint32((seed >> 80) % 100_000));
        prove(lane, (FIRST + n - 1) / 256);
        if (b.remote(idA).paused) {
            _requireRefused(address(b), abi.encodeCall(b.deliver, (batch, "")));
            return;
        }
        (bool ok, bytes memory answer) = address(b).call{gas: gas}(abi.encodeCall(b.deliver, (batch, "")));
        if (!ok) {
            // INV-4: with gas enough for all, nothing that recipients do makes a batch fail.
            assertLt(gas, 60_000_000, "a good batch was stopped");
            ++starved;
            return;
        }
        (_lastBatch, _lastPage, _lastHead) = (batch, (FIRST + n - 1) / 256, _head());
        (, uint256 executed, uint256 failed,) = abi.decode(answer, (IInbox.Outcome, uint256, uint256, uint256));
        delivered += executed;
        failures += failed;
        // INV-4: whatever its neighbours did, an honest message that was due has run.
        for (uint256 i = from; i < to; ++i) {
            if (full >> (i - from) & 1 == 0) continue;
            if (_sent[i].recipient != bytes32(uint256(uint160(address(honest))))) continue;
            if (_sent[i].deadline != 0 && block.timestamp > _sent[i].deadline) continue;
            assertEq(honest.times(_sent[i].leaf), 1, "an honest message was stopped");
        }
    }

    /// @dev INV-2: the same bytes again, under the head that they were proven by then; they run what failed, if anything.
    function replay() external {
        if (_lastBatch.length == 0 || b.remote(idA).paused) return;
        clientOfA.set(address(a), headSlot(lane, _lastPage), _lastHead);
        (, uint256 executed,,) = b.deliver(_lastBatch, "");
        replayed += executed;
    }

    function changeMood() external {
        moody.setFailing(!moody.failing());
    }

    function pause(uint8 what) external {
        vm.startPrank(guardian);
        if (what % 4 == 0) a.pauseLane(lane);
        if (what % 4 == 1) a.pauseRemote(idB);
        if (what % 4 == 2) b.pauseRemote(idA);
        vm.stopPrank();
    }

    function unpause() external {
        a.unpauseLane(lane);
        a.unpauseRemote(idB);
        b.unpauseRemote(idA);
    }

    function wait(uint8 time) external {
        vm.warp(block.timestamp + time % 30);
    }

    function _send(address to, bytes memory payload, uint64 deadline, bytes32 headBefore) private returns (bytes32) {
        bytes[] memory attributes = new bytes[](2);
        attributes[0] = abi.encodeWithSignature("minGasLimit(uint256)", 300_000);
        attributes[1] = abi.encodeWithSignature("deadline(uint64)", deadline);
        _sent.push(send(to, payload, attributes));
        _headBefore.push(headBefore);
        return _head();
    }

    function _encode(uint256 from, uint256 to, uint256 full, uint32 extraGas) private view returns (bytes memory) {
        Sent[] memory part = new Sent[](_sent.length - from);
        for (uint256 i = from; i < _sent.length; ++i) {
            part[i - from] = _sent[i];
        }
        BatchEncoder.Options memory options =
            BatchEncoder.Options({extraGas: extraGas, spellOut: full & 2 != 0, wide: full & 4 != 0});
        return encode(part, _headBefore[from], 0, to - from, full, options);
    }

    function _head() private view returns (bytes32) {
        return a.head(lane, (FIRST + _sent.length - 1) / 256);
    }

    function _requireRefused(address target, bytes memory call) private {
        (bool ok,) = target.call(call);
        assertFalse(ok, "paused, and yet it went through");
    }
}

/// forge-config: default.invariant.fail-on-revert = true
contract DeliveryInvariantTest is GatewayTest {
    DeliveryHandler internal handler;

    function setUp() public override {
        handler = new DeliveryHandler();
        handler.begin();
        targetContract(address(handler));
        bytes4[] memory actions = new bytes4[](9);
        actions[0] = handler.sendSome.selector;
        actions[1] = handler.deliver.selector;
        actions[2] = handler.deliver.selector;
        actions[3] = handler.deliver.selector;
        actions[4] = handler.replay.selector;
        actions[5] = handler.changeMood.selector;
        actions[6] = handler.pause.selector;
        actions[7] = handler.unpause.selector;
        actions[8] = handler.wait.selector;
        targetSelector(FuzzSelector(address(handler), actions));
    }

    /// @dev INV-2: a bit is set exactly when its message was executed with success, exactly once; clear means no effect.
    function invariant_a_bit_is_one_execution() public view {
        (, address inbox, bytes32 id) = handler.gateways();
        uint256 n = handler.sent();
        for (uint256 i = 0; i < n; ++i) {
            Sent memory message = handler.message(i);
            bool bit = IInbox(inbox).isDelivered(id, message.sequence);
            address recipient = address(uint160(uint256(message.recipient)));
            uint256 times = 0;
            if (recipient == address(handler.honest())) times = handler.honest().times(message.leaf);
            if (recipient == address(handler.moody())) times = handler.moody().times(message.leaf);
            assertEq(times, bit ? 1 : 0);
        }
        assertEq(handler.hostile().touched(), 0, "what fails leaves nothing");
        assertFalse(
            IInbox(inbox).isDelivered(id, uint64(handler.FIRST() + n)), "nothing is delivered that was not sent"
        );
    }

    /// @dev The counts that deliver returned add up to what recipients saw.
    function invariant_counts_add_up() public view {
        assertEq(handler.honest().count() + handler.moody().count(), _bits());
        assertEq(handler.delivered(), _bits() - handler.replayed());
    }

    function _bits() private view returns (uint256 found) {
        (, address inbox, bytes32 id) = handler.gateways();
        for (uint256 page = 0; page < 4; ++page) {
            for (uint256 mask = IInbox(inbox).delivered(id, page); mask != 0; mask &= mask - 1) {
                ++found;
            }
        }
    }
}
