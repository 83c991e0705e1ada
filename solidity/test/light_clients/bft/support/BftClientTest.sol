// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {BftHeader} from "../../../../src/light_clients/bft/BftHeader.sol";
import {BftLightClient} from "../../../../src/light_clients/bft/BftLightClient.sol";
import {BftTrust} from "../../../../src/light_clients/bft/BftTrust.sol";
import {Rlp} from "../../../support/Rlp.sol";
import {Trie} from "../../../support/Trie.sol";
import {BftChain, Block, Form} from "./BftChain.sol";

/// @title A BFT light client, and a source chain with one account and some storage that it is asked about.
abstract contract BftClientTest is BftChain {
    uint64 internal constant TRUSTED_HEIGHT = 100;
    uint64 internal constant TRUSTED_TIME = uint64(NOW - 1000);
    uint64 internal constant TRUSTING_PERIOD = 14 days;
    uint64 internal constant CLOCK_DRIFT = 30;

    address internal constant ACCOUNT = address(0xACC0);
    bytes32 internal constant SLOT = keccak256("slot");
    bytes32 internal constant ABSENT_SLOT = keccak256("absent slot");
    bytes32 internal constant VALUE = keccak256("value");

    AccessManager internal manager;
    /// @dev storageProof ‖ accountProof, and the roots that they lead to.
    bytes internal inclusion;
    bytes internal exclusion;
    bytes32 internal stateRoot;

    function setUp() public virtual {
        vm.warp(NOW);
        manager = new AccessManager(address(this));
        (bytes32[] memory keys, bytes[] memory values) = (new bytes32[](20), new bytes[](20));
        for (uint256 i = 0; i < 20; ++i) {
            keys[i] = keccak256(abi.encode(keccak256(abi.encode("slot", i))));
            values[i] = Rlp.word(keccak256(abi.encode(i)));
        }
        (keys[7], values[7]) = (keccak256(abi.encode(SLOT)), Rlp.word(VALUE));
        Trie.Pairs memory slots = Trie.sorted(keys, values);
        bytes memory slotProof = Trie.storageProof(slots, keccak256(abi.encode(SLOT)));
        bytes memory absentProof = Trie.storageProof(slots, keccak256(abi.encode(ABSENT_SLOT)));
        bytes32 storageRoot = Trie.root(slots);

        (keys, values) = (new bytes32[](30), new bytes[](30));
        for (uint256 i = 0; i < 30; ++i) {
            keys[i] = keccak256(abi.encodePacked(address(uint160(i + 1))));
            values[i] = Trie.account(i, i * 1 ether, EMPTY_ROOT, keccak256(""));
        }
        bytes32 accountKey = keccak256(abi.encodePacked(ACCOUNT));
        (keys[7], values[7]) = (accountKey, Trie.account(1, 0, storageRoot, keccak256("code")));
        Trie.Pairs memory accounts = Trie.sorted(keys, values);
        stateRoot = Trie.root(accounts);
        bytes memory accountProof = Trie.accountProof(accounts, accountKey);
        inclusion = bytes.concat(slotProof, accountProof);
        exclusion = bytes.concat(absentProof, accountProof);
    }

    /// @notice A client that trusts these validators since TRUSTED_HEIGHT.
    function deploy(BftHeader.Kind kind, uint256[] memory keys) internal returns (BftLightClient) {
        return deployChanging(kind, kind, 0, keys);
    }

    /// @notice The same of a chain that goes from one protocol to another.
    function deployChanging(BftHeader.Kind kind, BftHeader.Kind later, uint64 laterFrom, uint256[] memory keys)
        internal
        returns (BftLightClient)
    {
        return new BftLightClient(
            address(manager),
            kind,
            later,
            laterFrom,
            addressesOf(keys),
            TRUSTED_HEIGHT,
            TRUSTED_TIME,
            TRUSTING_PERIOD,
            CLOCK_DRIFT
        );
    }

    /// @notice A block of these validators that holds the account.
    function provingBlock(BftHeader.Kind kind, uint256[] memory keys) internal view returns (Block memory b) {
        b = blockOf(kind, addressesOf(keys), TRUSTED_HEIGHT + 50);
        b.stateRoot = stateRoot;
    }

    /// @notice A proof of SLOT by a block.
    function proofBy(Block memory b, uint256[] memory keys, uint256 sealers) internal view returns (bytes memory) {
        return bytes.concat(hex"00", inclusion, sealedWithoutRoot(b, keys, sealers));
    }

    function proofInForm(Block memory b, Form memory form, uint256[] memory keys, uint256 sealers)
        internal
        view
        returns (bytes memory)
    {
        form.withoutStateRoot = true;
        return bytes.concat(hex"00", inclusion, wire(b, form), sealsBy(b, keys, sealers));
    }

    /// @notice An update by headers of the trusted set.
    function refresh(bytes memory headers, uint256 count) internal pure returns (bytes memory) {
        return bytes.concat(bytes1(uint8(count)), hex"00", headers);
    }

    /// @notice An update from one set to another: each new validator's index in the old set is found by its address.
    function change(address[] memory from, address[] memory to, bytes memory headers, uint256 count)
        internal
        pure
        returns (bytes memory)
    {
        return bytes.concat(bytes1(uint8(count)), linkOf(from, to), headers);
    }

    function linkOf(address[] memory from, address[] memory to) internal pure returns (bytes memory) {
        bytes memory indices = new bytes(to.length);
        for (uint256 i = 0; i < to.length; ++i) {
            indices[i] = 0xff;
            for (uint256 j = 0; j < from.length; ++j) {
                if (from[j] == to[i]) indices[i] = bytes1(uint8(j));
            }
        }
        return linkWith(from, indices);
    }

    function linkWith(address[] memory from, bytes memory indices) internal pure returns (bytes memory) {
        return bytes.concat(hex"01", bytes1(uint8(from.length)), packed(from), bytes1(uint8(indices.length)), indices);
    }

    function assertRejected(BftLightClient client, bytes memory proof, bytes memory reason) internal {
        vm.expectRevert(reason);
        client.storageAt(proof, ACCOUNT, SLOT);
    }

    function quorumNotReached(uint256 found, uint256 needed) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(BftTrust.QuorumNotReached.selector, found, needed);
    }

    function notTrusted(uint256[] memory found, uint256[] memory trusted) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(
            BftTrust.NotTrustedSet.selector, setHashOf(addressesOf(found)), setHashOf(addressesOf(trusted))
        );
    }

    function sealRejected(uint256 index, address recovered, address expected) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(BftHeader.SealRejected.selector, index, recovered, expected);
    }

    function assertProves(BftLightClient client, bytes memory proof, Block memory b) internal view {
        (bytes32 value, uint64 height, uint64 timestamp) = client.storageAt(proof, ACCOUNT, SLOT);
        assertEq(value, VALUE);
        assertEq(height, b.number);
        assertEq(timestamp, b.timestamp);
    }
}
