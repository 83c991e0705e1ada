// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {BftHeader} from "../../src/light_clients/bft/BftHeader.sol";
import {BftLightClient} from "../../src/light_clients/bft/BftLightClient.sol";
import {BatchEncoder, Sent} from "./BatchEncoder.sol";
import {BftChain, Block} from "../light_clients/bft/support/BftChain.sol";
import {GatewayTest} from "./GatewayTest.sol";
import {Rlp} from "./Rlp.sol";
import {Trie} from "./Trie.sol";

/// @title The two endpoints of GatewayTest joined by real light clients: chain A is a QBFT chain of four validators, chain B an
/// IBFT 2.0 chain of seven.
/// @notice Forge has no state root to show, so a state is built around the gateways: their real storage words in a trie, under
/// a header that the validators' keys seal.
abstract contract SealedPair is GatewayTest, BftChain {
    uint256 internal constant GROUP_A = 101;
    uint256 internal constant GROUP_B = 102;
    uint256 internal constant VALIDATORS_A = 4;
    uint256 internal constant VALIDATORS_B = 7;

    /// @dev How a proof is spoilt; the default is not at all.
    struct Forgery {
        uint256 keysOfGroup;
        uint256 fewerSeals;
        address account;
        bytes32 slot;
        bytes32 value;
    }

    uint256 private _height = 200;

    function setUp() public virtual override {
        super.setUp();
        vm.warp(NOW);
        b.replaceClient(idA, _client(address(managerB), BftHeader.Kind.QBFT, GROUP_A, VALIDATORS_A));
        a.replaceClient(idB, _client(address(managerA), BftHeader.Kind.IBFT2, GROUP_B, VALIDATORS_B));
    }

    /// @notice A proof of a head of `a`, for the client at `b`.
    function proofOfA(bytes32 laneId, uint256 page, Forgery memory forgery) internal returns (bytes memory) {
        return _proof(BftHeader.Kind.QBFT, GROUP_A, VALIDATORS_A, address(a), headSlot(laneId, page), forgery);
    }

    /// @notice A proof of a head of `b`, for the client at `a`.
    function proofOfB(bytes32 laneId, uint256 page, Forgery memory forgery) internal returns (bytes memory) {
        return _proof(BftHeader.Kind.IBFT2, GROUP_B, VALIDATORS_B, address(b), headSlot(laneId, page), forgery);
    }

    /// @notice The height of the header that the last proof is of.
    function lastHeight() internal view returns (uint256) {
        return _height;
    }

    function honest() internal pure returns (Forgery memory forgery) {}

    /// @notice One whole message of a lane that holds nothing else before it than `previousHead`.
    function batchOf(bytes32 source, bytes32 previousHead, Sent memory message) internal pure returns (bytes memory) {
        return bytes.concat(
            BatchEncoder.prologue(source, 0, 0, previousHead, message.sequence, 0, 1),
            BatchEncoder.items(one(message), 0, 1, 1, plain())
        );
    }

    function _client(address authority, BftHeader.Kind kind, uint256 group, uint256 count)
        private
        returns (BftLightClient)
    {
        return new BftLightClient(
            authority, kind, kind, 0, addressesOf(keysOf(group, count)), 100, uint64(NOW - 900), 14 days, 30
        );
    }

    function _proof(
        BftHeader.Kind kind,
        uint256 group,
        uint256 count,
        address gateway,
        bytes32 slot,
        Forgery memory forgery
    ) private returns (bytes memory) {
        address account = forgery.account == address(0) ? gateway : forgery.account;
        bytes32 provenSlot = forgery.slot == 0 ? slot : forgery.slot;
        uint256 value = forgery.value == 0 ? uint256(vm.load(gateway, slot)) : uint256(forgery.value);
        (bytes memory trieProof, bytes32 stateRoot) = _state(account, provenSlot, value);
        uint256[] memory members = keysOf(group, count);
        uint256[] memory signers = forgery.keysOfGroup == 0 ? members : keysOf(forgery.keysOfGroup, count);
        Block memory header = blockOf(kind, addressesOf(members), ++_height);
        header.stateRoot = stateRoot;
        uint256 seals = ceilTwoThirds(count) - forgery.fewerSeals;
        return bytes.concat(hex"00", trieProof, sealedWithoutRoot(header, signers, (1 << seals) - 1));
    }

    /// @dev storageProof ‖ accountProof of one word among others, of one account among others.
    function _state(address account, bytes32 slot, uint256 value) private pure returns (bytes memory, bytes32) {
        bytes32[] memory keys = new bytes32[](12);
        bytes[] memory values = new bytes[](12);
        for (uint256 i = 1; i < 12; ++i) {
            (keys[i], values[i]) = (keccak256(abi.encode("slot", i)), Rlp.integer(i));
        }
        (keys[0], values[0]) = (keccak256(abi.encode(slot)), Rlp.integer(value));
        Trie.Pairs memory slots = Trie.sorted(keys, values);
        bytes memory slotProof = Trie.storageProof(slots, keccak256(abi.encode(slot)));

        keys = new bytes32[](12);
        values = new bytes[](12);
        for (uint256 i = 1; i < 12; ++i) {
            (keys[i], values[i]) =
            (keccak256(abi.encode("account", i)), Trie.account(i, i * 1 ether, EMPTY_ROOT, keccak256("")));
        }
        bytes32 accountKey = keccak256(abi.encodePacked(account));
        (keys[0], values[0]) = (accountKey, Trie.account(1, 0, Trie.root(slots), keccak256("code")));
        Trie.Pairs memory accounts = Trie.sorted(keys, values);
        return (bytes.concat(slotProof, Trie.accountProof(accounts, accountKey)), Trie.root(accounts));
    }
}
