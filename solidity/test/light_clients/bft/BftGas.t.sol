// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {BftHeader} from "../../../src/light_clients/bft/BftHeader.sol";
import {BftLightClient} from "../../../src/light_clients/bft/BftLightClient.sol";
import {CompactProofHarness} from "../../support/CompactProofHarness.sol";
import {Block} from "./support/BftChain.sol";
import {BftClientTest} from "./support/BftClientTest.sol";

/// @title What the light client costs: an update as a whole transaction, storageAt as a gateway's call with cold storage.
/// forge-config: default.isolate = true
contract BftGasTest is BftClientTest {
    string internal constant GROUP = "bft";

    function test_gas_storageAt_4() public {
        _storageAt(4, "storageAt n=4");
    }

    function test_gas_storageAt_7() public {
        _storageAt(7, "storageAt n=7");
    }

    function test_gas_storageAt_21() public {
        _storageAt(21, "storageAt n=21");
    }

    function _storageAt(uint256 count, string memory name) private {
        uint256[] memory keys = keysOf(1, count);
        BftLightClient client = deploy(BftHeader.Kind.QBFT, keys);
        Block memory b = provingBlock(BftHeader.Kind.QBFT, keys);
        bytes memory proof = proofBy(b, keys, first(ceilTwoThirds(count)));
        client.storageAt(proof, ACCOUNT, SLOT);
        vm.snapshotGasLastCall(GROUP, name);
    }

    function test_gas_update_7() public {
        uint256[] memory keys = keysOf(1, 7);
        BftLightClient client = deploy(BftHeader.Kind.QBFT, keys);
        Block memory b = blockOf(BftHeader.Kind.QBFT, addressesOf(keys), TRUSTED_HEIGHT + 50);
        client.update(refresh(sealedBlock(b, keys, first(5)), 1));
        vm.snapshotGasLastCall(GROUP, "update n=7, same set");
    }

    /// @dev The seventh of seven is replaced.
    function test_gas_update_7_changed() public {
        uint256[] memory keys = keysOf(1, 7);
        BftLightClient client = deploy(BftHeader.Kind.QBFT, keys);
        address[] memory old = addressesOf(keys);
        keys[6] = keyOf(2, 6);
        Block memory b = blockOf(BftHeader.Kind.QBFT, addressesOf(keys), TRUSTED_HEIGHT + 50);
        client.update(change(old, addressesOf(keys), sealedBlock(b, keys, first(5)), 1));
        vm.snapshotGasLastCall(GROUP, "update n=7, one replaced");
    }

    /// @dev Mainnet's depth: 5 account and 3 storage nodes, all but the leaves full branches. Without the call.
    function test_gas_trieProofs() public {
        CompactProofHarness harness = CompactProofHarness(deployed("CompactProofHarness"));
        bytes memory slotProof = bytes.concat(hex"000320", VALUE, _fullBranches(3));
        bytes memory accountProof = bytes.concat(hex"05030180", bytes1(0x80), keccak256("code"), _fullBranches(5));
        (uint256 gas,) = harness.measure(slotProof, accountProof, SLOT, ACCOUNT);
        vm.snapshotValue(GROUP, "trie proofs, 5 + 3 full branches", gas);
        slotProof = bytes.concat(hex"000220", VALUE, _fullBranches(2));
        accountProof = bytes.concat(hex"04030180", bytes1(0x80), keccak256("code"), _fullBranches(4));
        (gas,) = harness.measure(slotProof, accountProof, SLOT, ACCOUNT);
        vm.snapshotValue(GROUP, "trie proofs, 4 + 2 full branches", gas);
    }

    function _fullBranches(uint256 count) private pure returns (bytes memory out) {
        for (uint256 i = 0; i < count; ++i) {
            out = bytes.concat(out, hex"00");
            for (uint256 j = 0; j < 15; ++j) {
                out = abi.encodePacked(out, keccak256(abi.encode(i, j)));
            }
        }
    }
}
