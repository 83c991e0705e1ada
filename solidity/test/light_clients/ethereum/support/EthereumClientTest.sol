// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {EthereumLightClient} from "../../../../src/light_clients/ethereum/EthereumLightClient.sol";
import {EthereumParameters} from "../../../../src/light_clients/ethereum/EthereumParameters.sol";
import {Rlp} from "../../../support/Rlp.sol";
import {Test} from "../../../support/Test.sol";
import {Trie} from "../../../support/Trie.sol";
import {BlsKeys, Committee} from "./BlsKeys.sol";
import {HashToCurveHarness} from "./HashToCurveHarness.sol";
import {PlainSsz} from "./PlainSsz.sol";

/// @notice What a committee signs, with all that may be wrong about it.
struct Scene {
    /// The committee that signs: of this period and size, all but the absent (bit i of the mask = member i).
    uint256 period;
    uint256 size;
    uint256[2] absent;
    uint64 signatureSlot;
    uint64 attestedSlot;
    uint64 finalizedSlot;
    bytes4 version;
    uint8 attestedLayout;
    uint8 finalizedLayout;
    /// Fields 22 and 23 of the state, and whether 23 is shown.
    bytes32 current;
    bytes32 next;
    bool showNext;
    bytes32 stateRoot;
    uint64 blockNumber;
    /// Tells apart what is alike otherwise.
    uint256 salt;
}

/// @notice The parts of `signed` as they go on the wire.
struct Wire {
    bytes1 flags;
    bytes signatureSlot;
    bytes signature;
    bytes key;
    bytes members;
    bytes attested;
    bytes finality;
    bytes finalized;
}

/// @title A beacon chain that a test signs itself: whole SSZ trees on one side, the wire of docs/reference/wire-formats.md §7
/// on the other. Epochs of 8 slots and periods of 64; a fork at each of the slots 8, 128, 192, 256 and 320.
abstract contract EthereumClientTest is Test {
    uint64 internal constant GENESIS = 1_600_000_000;
    uint64 internal constant TRUSTED_SLOT = 336;
    uint64 internal constant NOW_SLOT = 400;
    uint64 internal constant TRUSTING_PERIOD = 14 days;
    uint64 internal constant CLOCK_DRIFT = 30;
    uint16 internal constant SIZE = 32;
    uint16 internal constant THRESHOLD = 22;
    bytes32 internal constant VALIDATORS_ROOT = keccak256("genesis validators");
    uint64 internal constant LAST = type(uint64).max;

    address internal constant ACCOUNT = address(0xACC0);
    bytes32 internal constant SLOT = keccak256("slot");
    bytes32 internal constant ABSENT_SLOT = keccak256("absent slot");
    bytes32 internal constant VALUE = keccak256("value");

    AccessManager internal manager;
    HashToCurveHarness internal bls;
    bytes internal inclusion;
    bytes internal exclusion;
    bytes32 internal stateRoot;

    mapping(uint256 period => mapping(uint256 size => Committee)) private _committees;

    function setUp() public virtual {
        warpTo(NOW_SLOT);
        manager = new AccessManager(address(this));
        bls = HashToCurveHarness(deployed("HashToCurveHarness"));
        Trie.Pairs memory slots = Trie.sorted(_pair(keccak256(abi.encode(SLOT))), _values(Rlp.word(VALUE), hex"07"));
        bytes32 key = keccak256(abi.encodePacked(ACCOUNT));
        bytes memory account = Trie.account(1, 0, Trie.root(slots), keccak256("code"));
        Trie.Pairs memory accounts = Trie.sorted(_pair(key), _values(account, account));
        stateRoot = Trie.root(accounts);
        bytes memory accountProof = Trie.accountProof(accounts, key);
        inclusion = bytes.concat(Trie.storageProof(slots, keccak256(abi.encode(SLOT))), accountProof);
        exclusion = bytes.concat(Trie.storageProof(slots, keccak256(abi.encode(ABSENT_SLOT))), accountProof);
    }

    // ------------------------------------------------------------------------------------------------ the client

    function parametersOf(uint16 size, uint16 threshold)
        internal
        pure
        returns (EthereumParameters.Parameters memory made)
    {
        made.genesisTime = GENESIS;
        made.slotDurationMs = 12_000;
        made.slotsPerEpoch = 8;
        made.slotsPerPeriod = 64;
        made.committeeSize = size;
        made.threshold = threshold;
        made.trustingPeriod = TRUSTING_PERIOD;
        made.maxClockDrift = CLOCK_DRIFT;
        made.genesisValidatorsRoot = VALIDATORS_ROOT;
        made.forks = new EthereumParameters.Fork[](5);
        made.forks[0] = EthereumParameters.Fork(1, 0x01000000, 1);
        made.forks[1] = EthereumParameters.Fork(16, 0x02000000, 2);
        made.forks[2] = EthereumParameters.Fork(24, 0x03000000, 3);
        made.forks[3] = EthereumParameters.Fork(32, 0x04000000, 4);
        made.forks[4] = EthereumParameters.Fork(40, 0x05000000, 4);
    }

    function deploy() internal returns (EthereumLightClient) {
        return deployAt(TRUSTED_SLOT, SIZE, THRESHOLD, false);
    }

    /// @notice A client that trusts the committee of a slot's period, and perhaps the next.
    function deployAt(uint64 slot, uint16 size, uint16 threshold, bool nextKnown)
        internal
        returns (EthereumLightClient)
    {
        bytes32 next = nextKnown ? committeeOf(slot / 64 + 1, size).root : bytes32(0);
        return new EthereumLightClient(
            address(manager), parametersOf(size, threshold), slot, committeeOf(slot / 64, size).root, next
        );
    }

    function warpTo(uint64 slot) internal {
        vm.warp(uint256(GENESIS) + 12 * uint256(slot));
    }

    function timeOf(uint64 slot) internal pure returns (uint64) {
        return GENESIS + 12 * slot;
    }

    // ------------------------------------------------------------------------------------------------ the chain

    function committeeOf(uint256 period, uint256 size) internal returns (Committee memory) {
        if (_committees[period][size].root == 0) {
            _committees[period][size] = BlsKeys.committee(1_000_003 * (period + 1), size);
        }
        return _committees[period][size];
    }

    function rootOf(uint256 period) internal returns (bytes32) {
        return committeeOf(period, SIZE).root;
    }

    /// @notice An honest scene: signed in a slot, attested one before, finalized 16 before that, but in the same period
    /// wherever that holds a slot before it.
    function sceneAt(uint64 signatureSlot) internal returns (Scene memory scene) {
        scene.size = SIZE;
        scene.signatureSlot = signatureSlot;
        scene.attestedSlot = signatureSlot - 1;
        scene.finalizedSlot = signatureSlot % 64 > 17 ? signatureSlot - 17 : signatureSlot - 1;
        scene.stateRoot = stateRoot;
        scene.blockNumber = signatureSlot * 10;
        settle(scene);
    }

    /// @notice What follows from a scene's slots.
    function settle(Scene memory scene) internal returns (Scene memory) {
        scene.period = scene.signatureSlot / 64;
        scene.version = bytes4(uint32(forkOf(scene.signatureSlot - 1)) << 24);
        scene.attestedLayout = layoutOf(scene.attestedSlot);
        scene.finalizedLayout = layoutOf(scene.finalizedSlot);
        scene.current = committeeOf(scene.attestedSlot / 64, scene.size).root;
        scene.next = committeeOf(scene.attestedSlot / 64 + 1, scene.size).root;
        return scene;
    }

    /// @dev Plain, apart from the contract's table.
    function forkOf(uint64 slot) internal pure returns (uint8) {
        if (slot < 128) return 1;
        if (slot < 192) return 2;
        if (slot < 256) return 3;
        return slot < 320 ? 4 : 5;
    }

    function layoutOf(uint64 slot) internal pure returns (uint8) {
        uint8 fork = forkOf(slot);
        return fork > 4 ? 4 : fork;
    }

    // ------------------------------------------------------------------------------------------------ its wire

    function signed(Scene memory scene) internal returns (bytes memory) {
        return join(wireOf(scene, false));
    }

    function proof(Scene memory scene) internal returns (bytes memory) {
        return bytes.concat(hex"00", inclusion, join(wireOf(scene, true)));
    }

    function anchorOf(Scene memory scene) internal returns (bytes memory) {
        return bytes.concat(scene.stateRoot, join(wireOf(scene, true)));
    }

    function join(Wire memory w) internal pure returns (bytes memory) {
        return bytes.concat(
            bytes.concat(w.flags, w.signatureSlot, w.signature, w.key, w.members), w.attested, w.finality, w.finalized
        );
    }

    function wireOf(Scene memory scene, bool withExecution) internal returns (Wire memory w) {
        Committee memory committee = committeeOf(scene.period, scene.size);
        bytes32 finalizedRoot;
        (w.finalized, finalizedRoot) = finalizedOf(scene, withExecution);
        bytes32 state;
        (w.finality, state) = finalityOf(scene, finalizedRoot);
        bytes32 parent = keccak256(abi.encode("parent", scene.salt));
        bytes32 bodySide = keccak256(abi.encode("body", scene.salt));
        w.attested = bytes.concat(PlainSsz.number(scene.attestedSlot), PlainSsz.number(77), parent, bodySide);
        bytes32 root = headerRoot(scene.attestedSlot, 77, PlainSsz.hash(parent, state), bodySide);

        bool some = scene.absent[0] | scene.absent[1] != 0;
        w.flags = bytes1((some ? 1 : 0) | (scene.showNext ? 2 : 0));
        w.signatureSlot = PlainSsz.number(scene.signatureSlot);
        w.key = committee.aggregate;
        w.members = some ? membersOf(committee, scene.absent) : abi.encodePacked(committee.pubkeysRoot);
        w.signature = BlsKeys.sign(bls, secretsOf(committee, scene.absent), signingRoot(root, scene.version));
    }

    function signingRoot(bytes32 root, bytes4 version) internal pure returns (bytes32) {
        bytes32 forkData = PlainSsz.hash(version, VALIDATORS_ROOT);
        return PlainSsz.hash(root, bytes32(bytes.concat(hex"07000000", bytes28(forkData))));
    }

    function secretsOf(Committee memory committee, uint256[2] memory absent) internal pure returns (uint256 sum) {
        for (uint256 i = 0; i < committee.keys.length; ++i) {
            if (!isAbsent(absent, i)) sum = addmod(sum, committee.secret + i, BlsKeys.ORDER);
        }
    }

    function isAbsent(uint256[2] memory absent, uint256 index) internal pure returns (bool) {
        return absent[index / 256] >> (index % 256) & 1 != 0;
    }

    function membersOf(Committee memory committee, uint256[2] memory absent) internal pure returns (bytes memory) {
        (bytes memory marks, bytes memory keys, bytes memory siblings) = memberParts(committee, absent);
        return bytes.concat(marks, keys, siblings);
    }

    function memberParts(Committee memory committee, uint256[2] memory absent)
        internal
        pure
        returns (bytes memory marks, bytes memory keys, bytes memory siblings)
    {
        uint256 size = committee.keys.length;
        marks = new bytes(size / 8);
        bool[] memory marked = new bool[](size);
        for (uint256 i = 0; i < size; ++i) {
            marked[i] = isAbsent(absent, i);
            if (!marked[i]) continue;
            keys = bytes.concat(keys, committee.keys[i]);
            marks[i / 8] |= bytes1(uint8(1 << (i % 8)));
        }
        siblings = PlainSsz.siblings(committee.leaves, marked);
    }

    function headerRoot(uint64 slot, uint64 proposer, bytes32 parentAndState, bytes32 bodySide)
        internal
        pure
        returns (bytes32)
    {
        bytes32[] memory front = new bytes32[](2);
        (front[0], front[1]) = (PlainSsz.numberLeaf(slot), PlainSsz.numberLeaf(proposer));
        return PlainSsz.hash(PlainSsz.hash(PlainSsz.root(front), parentAndState), bodySide);
    }

    /// @notice The attested state, whole, and what of it goes on the wire.
    function finalityOf(Scene memory scene, bytes32 finalizedRoot)
        internal
        pure
        returns (bytes memory wire, bytes32 root)
    {
        bool wide = scene.attestedLayout == 4;
        bytes32[] memory fields = PlainSsz.filler(wide ? 64 : 32, wide ? 37 : 24, scene.salt);
        bytes memory epoch = PlainSsz.number(scene.finalizedSlot / 8);
        fields[20] = PlainSsz.hash(bytes32(epoch), finalizedRoot);
        (fields[22], fields[23]) = (scene.current, scene.next);
        root = PlainSsz.root(fields);
        bytes memory branch = PlainSsz.branch(fields, 20);
        if (scene.showNext) {
            // Instead of what field 23 and its neighbour make.
            branch = bytes.concat(Trie.slice(branch, 0, 32), scene.next, Trie.slice(branch, 64, branch.length));
        }
        wire = bytes.concat(epoch, branch);
    }

    /// @notice The finalized header with its whole body, and what of it goes on the wire.
    function finalizedOf(Scene memory scene, bool withExecution)
        internal
        pure
        returns (bytes memory wire, bytes32 root)
    {
        bytes memory front = bytes.concat(PlainSsz.number(scene.finalizedSlot), PlainSsz.number(55));
        bytes32 parentAndState = keccak256(abi.encode("parent and state", scene.salt));
        bytes32[] memory body = PlainSsz.filler(16, 12, scene.salt + 1);
        bytes memory execution;
        if (scene.finalizedLayout > 1) {
            bool wide = scene.finalizedLayout > 2;
            bytes32[] memory payload = PlainSsz.filler(wide ? 32 : 16, wide ? 17 : 15, scene.salt + 2);
            payload[2] = scene.stateRoot;
            payload[6] = PlainSsz.numberLeaf(scene.blockNumber);
            payload[7] = PlainSsz.numberLeaf(30_000_000);
            body[9] = PlainSsz.root(payload);
            execution = bytes.concat(
                PlainSsz.number(scene.blockNumber),
                PlainSsz.number(30_000_000),
                payload[3],
                PlainSsz.part(payload, 0, 2),
                PlainSsz.part(payload, 4, 6),
                PlainSsz.part(payload, 8, 16)
            );
            if (wide) execution = bytes.concat(execution, PlainSsz.part(payload, 16, 32));
            execution = bytes.concat(execution, PlainSsz.branch(body, 9));
        }
        // A header has five fields: bodyRoot and three zeros make the right half.
        bytes32[] memory right = new bytes32[](4);
        right[0] = PlainSsz.root(body);
        bytes32 bodySide = PlainSsz.root(right);
        wire = bytes.concat(front, parentAndState, withExecution ? execution : abi.encodePacked(bodySide));
        root = headerRoot(scene.finalizedSlot, 55, parentAndState, bodySide);
    }

    // ------------------------------------------------------------------------------------------------ asking

    function assertTrusted(EthereumLightClient client, uint64 slot, bytes32 committee, bytes32 next) internal view {
        (uint64 found, uint64 timestamp, bytes32 foundCommittee, bytes32 foundNext, bool frozen) = client.trustedState();
        assertEq(found, slot, "finalized slot");
        assertEq(timestamp, timeOf(slot), "timestamp");
        assertEq(foundCommittee, committee, "committee");
        assertEq(foundNext, next, "next committee");
        assertFalse(frozen, "frozen");
    }

    function assertUpdateRejected(EthereumLightClient client, bytes memory data, bytes memory reason) internal {
        vm.expectRevert(reason);
        client.update{gas: 5_000_000}(data);
    }

    function assertUpdateRejected(EthereumLightClient client, bytes memory data, bytes4 selector) internal {
        vm.expectPartialRevert(selector);
        client.update{gas: 5_000_000}(data);
    }

    function _pair(bytes32 key) private pure returns (bytes32[] memory keys) {
        keys = new bytes32[](3);
        (keys[0], keys[1], keys[2]) = (key, keccak256("another"), keccak256("a third"));
    }

    function _values(bytes memory value, bytes memory other) private pure returns (bytes[] memory values) {
        values = new bytes[](3);
        (values[0], values[1], values[2]) = (value, other, other);
    }
}
