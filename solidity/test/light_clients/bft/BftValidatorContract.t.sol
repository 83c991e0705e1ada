// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {ILightClient} from "../../../src/interfaces/ILightClient.sol";
import {BftHeader} from "../../../src/light_clients/bft/BftHeader.sol";
import {BftTrust} from "../../../src/light_clients/bft/BftTrust.sol";
import {BftValidatorContractLightClient} from "../../../src/light_clients/bft/BftValidatorContractLightClient.sol";
import {LightClient} from "../../../src/light_clients/shared/LightClient.sol";
import {Rlp} from "../../support/Rlp.sol";
import {Trie} from "../../support/Trie.sol";
import {Block, Form} from "./support/BftChain.sol";
import {BftClientTest} from "./support/BftClientTest.sol";

/// @notice A state of the chain: its root, and compact proofs of it. `known` is the account's alone, `members` that of the
/// list as well, whose parts are `length`, `list` and `account`; `word` is that of SLOT.
struct Held {
    bytes32 root;
    bytes32 storageRoot;
    bytes length;
    bytes list;
    bytes account;
    bytes known;
    bytes members;
    bytes word;
}

/// @notice A block with what shows whose turn it was: its parent, and a proof of the set under that.
struct Sent {
    Block b;
    Block parent;
    bytes set;
}

/// @title The light client of a QBFT chain whose validators a contract chooses: its life, its rules, and what it costs. Every
/// rule against the Python twin is in tests/differential/test_contract_mode.py.
/// forge-config: default.isolate = true
contract BftValidatorContractTest is BftClientTest {
    string private constant GROUP = "bft";
    BftHeader.Kind private constant QBFT = BftHeader.Kind.QBFT;
    address private constant CHOOSER = address(0x7777);
    bytes32 private constant LIST_SLOT = bytes32(uint256(2));

    function test_bootstrap() public {
        uint256[] memory keys = keysOf(1, 4);
        vm.expectEmit();
        emit BftTrust.Bootstrapped(TRUSTED_HEIGHT, TRUSTED_TIME, addressesOf(keys));
        BftValidatorContractLightClient client = _deploy(keys);
        assertEq(client.validatorContract(), CHOOSER);
        assertEq(client.validatorSlot(), LIST_SLOT);
        assertEq(client.storageRoot(), 0);
        _assertTrusts(client, keys, TRUSTED_HEIGHT);
        assertEq(client.quorum(4), 3);
    }

    function test_INV7_onlyTheAdmin() public {
        BftValidatorContractLightClient client = _deploy(keysOf(1, 4));
        address[] memory members = addressesOf(keysOf(66, 4));
        address stranger = makeAddr("stranger");
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, stranger));
        vm.prank(stranger);
        client.bootstrap(members, 1, TRUSTED_TIME);
    }

    /// @dev Unfreezes, may go back in height, and forgets the anchor and the storage of the set that was given up.
    function test_bootstrapAgain() public {
        uint256[] memory keys = keysOf(1, 4);
        BftValidatorContractLightClient client = _deploy(keys);
        Held memory held = _held(keys, 0);
        client.update(bytes.concat(_block(101, held, held, keys, 7, false), held.members));
        client.anchor(_block(102, held, held, keys, 7, false));
        Held memory other = _held(keys, 1);
        client.freeze(
            bytes.concat(_block(103, held, held, keys, 7, false), _block(103, held, other, keys, 7, false))
        );
        assertEq(uint256(client.status()), uint256(ILightClient.Status.Frozen));

        client.bootstrap(addressesOf(keys), 50, TRUSTED_TIME);
        assertEq(uint256(client.status()), uint256(ILightClient.Status.Active));
        assertEq(client.storageRoot(), 0);
        _refuses(client, bytes.concat(hex"01", held.word), abi.encodeWithSelector(LightClient.NoAnchor.selector));
        bytes memory unknown = abi.encodeWithSelector(BftValidatorContractLightClient.StorageUnknown.selector);
        _refuses(client, _proof(104, held, held, keys, 7, true), unknown);
        _proves(client, _proof(104, held, held, keys, 7, false), 104);
    }

    function test_INV7_storageAt() public {
        uint256[] memory keys = keysOf(1, 4);
        BftValidatorContractLightClient client = _deploy(keys);
        Held memory held = _held(keys, 0);
        _proves(client, _proof(150, held, held, keys, 7, false), 150);
        _refuses(client, _proof(150, held, held, keys, 3, false), quorumNotReached(2, 3));
        uint256[] memory strangers = keysOf(9, 4);
        Held memory theirs = _held(strangers, 0);
        _refuses(client, _proof(150, theirs, held, strangers, 7, false), notTrusted(strangers, keys));
        // Enough of the trusted set sealed, but another set has the turn.
        uint256[] memory grown = keysOf(1, 9);
        _refuses(client, _proof(150, _held(grown, 0), held, keys, 15, false), notTrusted(grown, keys));
    }

    /// @dev The block of a change is sealed by the set before it, and the next one by the new set; also where a set comes
    /// back, and where two changes are in neighbouring blocks.
    function test_INV7_aSetThatChangesAgainAndAgain() public {
        uint256[][4] memory sets = [keysOf(1, 4), keysOf(1, 5), keysOf(3, 7), keysOf(1, 4)];
        BftValidatorContractLightClient client = _deploy(sets[0]);
        for (uint256 i = 0; i < 3; ++i) {
            Held memory before = _held(sets[i], 0);
            Held memory later = _held(sets[i + 1], 0);
            uint256 sealers = first(ceilTwoThirds(sets[i].length));
            bytes memory head = _block(101 + i, before, later, sets[i], sealers, i > 0);
            client.update(bytes.concat(head, later.members));
            _assertTrusts(client, sets[i + 1], uint64(101 + i));
            assertEq(client.storageRoot(), later.storageRoot);
            // The set before has had its last turn.
            bytes memory late = _proof(102 + i, later, later, sets[i], sealers, true);
            _refuses(client, late, notTrusted(sets[i], sets[i + 1]));
            uint256 enough = first(ceilTwoThirds(sets[i + 1].length));
            _proves(client, _proof(102 + i, later, later, sets[i + 1], enough, true), 102 + i);
        }
    }

    /// @dev Whoever sends an update for the block of a change can't leave out the change.
    function test_INV7_aRenewalIsNoWayPastAChange() public {
        uint256[] memory keys = keysOf(1, 4);
        BftValidatorContractLightClient client = _deploy(keys);
        Held memory held = _held(keys, 0);
        client.update(bytes.concat(_block(101, held, held, keys, 7, false), held.members));
        client.update(bytes.concat(_block(102, held, held, keys, 7, true), held.known));
        _assertTrusts(client, keys, 102);
        Held memory changed = _held(keysOf(2, 4), 0);
        bytes memory data = bytes.concat(_block(103, held, changed, keys, 7, true), held.known);
        vm.expectRevert(
            abi.encodeWithSelector(BftValidatorContractLightClient.NotStateRoot.selector, held.root, changed.root)
        );
        client.update(data);
    }

    function test_anchor() public {
        uint256[] memory keys = keysOf(1, 4);
        BftValidatorContractLightClient client = _deploy(keys);
        Held memory held = _held(keys, 0);
        client.anchor(_block(140, held, held, keys, 7, false));
        _proves(client, bytes.concat(hex"01", held.word), 140);
    }

    function test_INV7_twoBlocksOfAHeightFreeze() public {
        uint256[] memory keys = keysOf(1, 4);
        BftValidatorContractLightClient client = _deploy(keys);
        Held memory held = _held(keys, 0);
        bytes memory one = _block(150, held, held, keys, 7, false);
        bytes memory other = _block(150, held, _held(keys, 1), keys, 14, false);
        // One block in two seals' choices is no misbehaviour.
        vm.expectPartialRevert(BftTrust.NoMisbehaviour.selector);
        client.freeze(bytes.concat(one, _block(150, held, held, keys, 14, false)));
        // Nor are blocks of two heights.
        bytes memory next = _block(151, held, held, keys, 7, false);
        vm.expectRevert(abi.encodeWithSelector(BftTrust.HeightsDiffer.selector, 150, 151));
        client.freeze(bytes.concat(one, next));
        client.freeze(bytes.concat(one, other));
        assertEq(uint256(client.status()), uint256(ILightClient.Status.Frozen));
        bytes memory frozen = abi.encodeWithSelector(ILightClient.NotActive.selector, ILightClient.Status.Frozen);
        _refuses(client, _proof(150, held, held, keys, 7, false), frozen);
    }

    // ------------------------------------------------------------------------------------------------ whose turn it is

    function test_INV7_theSetUnderAnotherBlock() public {
        uint256[] memory keys = keysOf(1, 4);
        BftValidatorContractLightClient client = _deploy(keys);
        Held memory held = _held(keys, 0);
        Held memory other = _held(keys, 1);
        Sent memory sent = _sent(150, held, held, false);
        (sent.parent.stateRoot, sent.set) = (other.root, other.members);
        bytes memory reason = abi.encodeWithSelector(
            BftValidatorContractLightClient.NotParent.selector, onChainHash(sent.parent), sent.b.parentHash
        );
        _refuses(client, _claim(held, sent, keys), reason);
    }

    /// @dev Whoever refers to the known storage still has to be the trusted set.
    function test_INV7_strangersInTheTurnOfTheTrustedSet() public {
        uint256[] memory keys = keysOf(1, 4);
        BftValidatorContractLightClient client = _deploy(keys);
        Held memory held = _held(keys, 0);
        client.update(bytes.concat(_block(101, held, held, keys, 7, false), held.members));
        uint256[] memory strangers = keysOf(9, 4);
        _refuses(client, _proof(150, held, held, strangers, 7, true), notTrusted(strangers, keys));
    }

    function test_INV7_aHeaderThatListsValidators() public {
        uint256[] memory keys = keysOf(1, 4);
        BftValidatorContractLightClient client = _deploy(keys);
        Held memory held = _held(keys, 0);
        Sent memory sent = _sent(150, held, held, false);
        sent.b.validators = addressesOf(keys);
        bytes memory reason = abi.encodeWithSelector(BftValidatorContractLightClient.ValidatorsListed.selector, 4);
        _refuses(client, _claim(held, sent, keys), reason);
    }

    // ------------------------------------------------------------------------------------------------ height and time

    function test_heightMustRise() public {
        uint256[] memory keys = keysOf(1, 4);
        BftValidatorContractLightClient client = _deploy(keys);
        Held memory held = _held(keys, 0);
        bytes memory reason =
            abi.encodeWithSelector(LightClient.HeightNotAbove.selector, TRUSTED_HEIGHT, TRUSTED_HEIGHT);
        _refusesUpdate(client, held, held, keys, TRUSTED_HEIGHT, reason);
    }

    function test_INV7_timeRunsBack() public {
        uint256[] memory keys = keysOf(1, 4);
        BftValidatorContractLightClient client = _deploy(keys);
        // The time of block 200.
        client.bootstrap(addressesOf(keys), TRUSTED_HEIGHT, TRUSTED_TIME + 200);
        Held memory held = _held(keys, 0);
        bytes memory reason = abi.encodeWithSelector(
            BftTrust.TimestampBelow.selector, uint256(TRUSTED_TIME) + 199, uint256(TRUSTED_TIME) + 200
        );
        _refusesUpdate(client, held, held, keys, 199, reason);
        client.update(bytes.concat(_block(200, held, held, keys, 7, false), held.members));
    }

    function test_INV7_clockDrift() public {
        uint256[] memory keys = keysOf(1, 4);
        BftValidatorContractLightClient client = _deploy(keys);
        Held memory held = _held(keys, 0);
        uint256 last = 1000 + CLOCK_DRIFT;
        bytes memory reason =
            abi.encodeWithSelector(LightClient.TimestampInFuture.selector, NOW + CLOCK_DRIFT + 1, NOW + CLOCK_DRIFT);
        _refuses(client, _proof(last + 1, held, held, keys, 7, false), reason);
        _refusesUpdate(client, held, held, keys, last + 1, reason);
        bytes memory data = _block(last + 1, held, held, keys, 7, false);
        vm.expectRevert(reason);
        client.anchor(data);

        _proves(client, _proof(last, held, held, keys, 7, false), last);
        client.anchor(_block(last, held, held, keys, 7, false));
        client.update(bytes.concat(_block(last, held, held, keys, 7, false), held.members));
    }

    // ------------------------------------------------------------------------------------------------ the list

    /// @dev No set is empty: nobody at all would be a quorum of it.
    function test_INV7_aListWithoutMembers() public {
        uint256[] memory keys = keysOf(1, 4);
        BftValidatorContractLightClient client = _deploy(keys);
        Held memory none = _heldWords(new uint256[](0), 0);
        bytes memory reason = abi.encodeWithSelector(BftTrust.ValidatorCountInvalid.selector, 0, 255);
        _refusesUpdate(client, _held(keys, 0), none, keys, 101, reason);
    }

    function test_INV7_membersOfAnotherStorage() public {
        uint256[] memory keys = keysOf(1, 4);
        BftValidatorContractLightClient client = _deploy(keys);
        Held memory held = _held(keys, 0);
        Held memory theirs = _held(keysOf(9, 4), 0);
        bytes memory mixed = bytes.concat(hex"01", held.length, theirs.list, held.account);
        bytes memory data = bytes.concat(_block(101, held, held, keys, 7, false), mixed);
        vm.expectRevert(
            abi.encodeWithSelector(
                BftValidatorContractLightClient.StorageRootsDiffer.selector, 0, theirs.storageRoot, held.storageRoot
            )
        );
        client.update(data);
    }

    function test_INV7_aMemberThatIsNoAddress() public {
        uint256[] memory keys = keysOf(1, 4);
        BftValidatorContractLightClient client = _deploy(keys);
        uint256[] memory words = _wordsOf(keys);
        words[1] |= 1 << 160;
        bytes memory reason =
            abi.encodeWithSelector(BftValidatorContractLightClient.ValidatorMalformed.selector, 1, bytes32(words[1]));
        _refusesUpdate(client, _held(keys, 0), _heldWords(words, 0), keys, 101, reason);
    }

    // ------------------------------------------------------------------------------------------------ bytes

    /// @dev No byte is without effect: cut, changed or moved, a call is refused.
    function test_INV1_mutated(uint256 seed) public {
        uint256[] memory keys = keysOf(1, 4);
        BftValidatorContractLightClient client = _deploy(keys);
        Held memory held = _held(keys, 0);
        bytes memory proof = _proof(150, held, held, keys, 7, false);
        uint256 place = uint256(keccak256(abi.encode(seed))) % proof.length;
        proof[place] ^= bytes1(uint8(1 << (seed % 8)));
        try client.storageAt(proof, ACCOUNT, SLOT) returns (bytes32 value, uint64 height, uint64 timestamp) {
            // The seals cover all that is told.
            assertEq(value, VALUE);
            assertEq(height, 150);
            assertEq(timestamp, NOW - 850);
            revert("a changed proof is believed");
        } catch {}
    }

    // ------------------------------------------------------------------------------------------------ gas

    function test_gas_storageAt_7_contract() public {
        uint256[] memory keys = keysOf(1, 7);
        BftValidatorContractLightClient client = _deploy(keys);
        Held memory held = _held(keys, 0);
        client.update(bytes.concat(_block(101, held, held, keys, 31, false), held.members));
        client.storageAt(_proof(150, held, held, keys, 31, true), ACCOUNT, SLOT);
        vm.snapshotGasLastCall(GROUP, "storageAt n=7, chosen by a contract");
    }

    function test_gas_update_7_contract() public {
        uint256[] memory keys = keysOf(1, 7);
        BftValidatorContractLightClient client = _deploy(keys);
        Held memory held = _held(keys, 0);
        client.update(bytes.concat(_block(101, held, held, keys, 31, false), held.members));
        client.update(bytes.concat(_block(102, held, held, keys, 31, true), held.known));
        vm.snapshotGasLastCall(GROUP, "update n=7, chosen by a contract, same set");
        uint256[] memory next = keysOf(1, 7);
        next[6] = keyOf(2, 6);
        Held memory changed = _held(next, 0);
        client.update(bytes.concat(_block(103, held, changed, keys, 31, true), changed.members));
        vm.snapshotGasLastCall(GROUP, "update n=7, chosen by a contract, one replaced");
    }

    // ------------------------------------------------------------------------------------------------ the chain

    function _deploy(uint256[] memory keys) private returns (BftValidatorContractLightClient) {
        return new BftValidatorContractLightClient(
            address(manager),
            CHOOSER,
            LIST_SLOT,
            addressesOf(keys),
            TRUSTED_HEIGHT,
            TRUSTED_TIME,
            TRUSTING_PERIOD,
            CLOCK_DRIFT
        );
    }

    /// @dev A state in which the contract lists these validators. `salt` changes a word beside the list.
    function _held(uint256[] memory keys, uint256 salt) private pure returns (Held memory) {
        return _heldWords(_wordsOf(keys), salt);
    }

    function _wordsOf(uint256[] memory keys) private pure returns (uint256[] memory words) {
        words = new uint256[](keys.length);
        for (uint256 i = 0; i < keys.length; ++i) {
            words[i] = uint160(vm.addr(keys[i]));
        }
    }

    /// @dev A state in which the list has these words. Of an empty one there is no length in the storage.
    function _heldWords(uint256[] memory words, uint256 salt) private pure returns (Held memory held) {
        uint256 count = words.length;
        uint256 others = count == 0 ? 1 : 2;
        bytes32[] memory slots = new bytes32[](count + others);
        bytes[] memory values = new bytes[](count + others);
        bytes32 base = keccak256(abi.encode(LIST_SLOT));
        (slots[0], values[0]) = (keccak256(abi.encode(uint256(9))), Rlp.integer(1 + salt));
        if (count != 0) (slots[1], values[1]) = (base, Rlp.integer(count));
        for (uint256 i = 0; i < count; ++i) {
            slots[i + 2] = keccak256(abi.encode(uint256(base) + i));
            values[i + 2] = Rlp.integer(words[i]);
        }
        bytes32[] memory places = slots;
        Trie.Pairs memory list = Trie.sorted(_copy(slots), values);
        held.storageRoot = Trie.root(list);
        held.length = Trie.storageProof(list, base);
        for (uint256 i = 0; i < count; ++i) {
            held.list = bytes.concat(held.list, Trie.storageProof(list, places[i + 2]));
        }
        Trie.Pairs memory accounts;
        (accounts, held.word) = _accounts(held.storageRoot);
        held.root = Trie.root(accounts);
        held.account = Trie.accountProof(accounts, keccak256(abi.encodePacked(CHOOSER)));
        held.known = bytes.concat(hex"00", held.account);
        held.members = bytes.concat(hex"01", held.length, held.list, held.account);
    }

    function _accounts(bytes32 storageRoot) private pure returns (Trie.Pairs memory accounts, bytes memory word) {
        bytes32[] memory slots = new bytes32[](3);
        bytes[] memory values = new bytes[](3);
        for (uint256 i = 0; i < 3; ++i) {
            (slots[i], values[i]) = (keccak256(abi.encode(i)), Rlp.integer(7));
        }
        bytes32 slotKey = keccak256(abi.encode(SLOT));
        (slots[0], values[0]) = (slotKey, Rlp.word(VALUE));
        Trie.Pairs memory words = Trie.sorted(slots, values);

        bytes32[] memory keys = new bytes32[](20);
        bytes[] memory infos = new bytes[](20);
        for (uint256 i = 0; i < 20; ++i) {
            keys[i] = keccak256(abi.encodePacked(address(uint160(i + 1))));
            infos[i] = Trie.account(i, 1 ether, EMPTY_ROOT, keccak256(""));
        }
        bytes32 accountKey = keccak256(abi.encodePacked(ACCOUNT));
        (keys[3], infos[3]) = (accountKey, Trie.account(1, 0, Trie.root(words), keccak256("code")));
        (keys[4], infos[4]) =
            (keccak256(abi.encodePacked(CHOOSER)), Trie.account(1, 0, storageRoot, keccak256("chooser")));
        accounts = Trie.sorted(keys, infos);
        word = bytes.concat(Trie.storageProof(words, slotKey), Trie.accountProof(accounts, accountKey));
    }

    function _copy(bytes32[] memory from) private pure returns (bytes32[] memory to) {
        to = new bytes32[](from.length);
        for (uint256 i = 0; i < from.length; ++i) {
            to[i] = from[i];
        }
    }

    /// @dev A block on another one, after which the contract held what `before` says.
    function _sent(uint256 number, Held memory before, Held memory held, bool known)
        private
        pure
        returns (Sent memory sent)
    {
        sent.parent = blockOf(QBFT, new address[](0), number - 1);
        sent.parent.stateRoot = before.root;
        sent.b = blockOf(QBFT, new address[](0), number);
        (sent.b.stateRoot, sent.b.parentHash) = (held.root, onChainHash(sent.parent));
        sent.set = known ? before.known : before.members;
    }

    /// @dev A block as an update has it, or as a proof has it when `proving`, without its stateRoot.
    function _encode(Sent memory sent, uint256[] memory keys, uint256 sealers, bool proving)
        private
        pure
        returns (bytes memory)
    {
        Form memory form;
        form.withoutStateRoot = proving;
        Form memory rootless;
        rootless.withoutStateRoot = true;
        return bytes.concat(
            wire(sent.b, form),
            bytes1(uint8(keys.length)),
            packed(addressesOf(keys)),
            sealsBy(sent.b, keys, sealers),
            sent.set,
            wire(sent.parent, rootless)
        );
    }

    function _block(
        uint256 number,
        Held memory before,
        Held memory held,
        uint256[] memory keys,
        uint256 sealers,
        bool known
    ) private pure returns (bytes memory) {
        return _encode(_sent(number, before, held, known), keys, sealers, false);
    }

    function _proof(
        uint256 number,
        Held memory before,
        Held memory held,
        uint256[] memory keys,
        uint256 sealers,
        bool known
    ) private pure returns (bytes memory) {
        return bytes.concat(hex"00", held.word, _encode(_sent(number, before, held, known), keys, sealers, true));
    }

    /// @dev A proof by a block that the first three sealed.
    function _claim(Held memory held, Sent memory sent, uint256[] memory keys) private pure returns (bytes memory) {
        return bytes.concat(hex"00", held.word, _encode(sent, keys, 7, true));
    }

    // ------------------------------------------------------------------------------------------------ asking

    function _assertTrusts(BftValidatorContractLightClient client, uint256[] memory keys, uint64 height) private view {
        (bytes32 setHash, uint64 found,, bool frozen) = client.trustedState();
        assertEq(setHash, setHashOf(addressesOf(keys)));
        assertEq(found, height);
        assertFalse(frozen);
    }

    function _proves(BftValidatorContractLightClient client, bytes memory proof, uint256 number) private view {
        (bytes32 value, uint64 height, uint64 timestamp) = client.storageAt(proof, ACCOUNT, SLOT);
        assertEq(value, VALUE);
        assertEq(height, number);
        assertEq(timestamp, NOW - 1000 + number);
    }

    function _refuses(BftValidatorContractLightClient client, bytes memory proof, bytes memory reason) private {
        vm.expectRevert(reason);
        client.storageAt(proof, ACCOUNT, SLOT);
    }

    /// @dev An update by a block of the first three, with the list that the contract holds after it.
    function _refusesUpdate(
        BftValidatorContractLightClient client,
        Held memory before,
        Held memory held,
        uint256[] memory keys,
        uint256 number,
        bytes memory reason
    ) private {
        bytes memory data = bytes.concat(_block(number, before, held, keys, 7, false), held.members);
        vm.expectRevert(reason);
        client.update(data);
    }
}
