// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {BftHeader} from "../../../src/light_clients/bft/BftHeader.sol";
import {BftLightClient} from "../../../src/light_clients/bft/BftLightClient.sol";
import {Mutation} from "../../support/Mutation.sol";
import {Block, Form} from "./support/BftChain.sol";
import {BftClientTest} from "./support/BftClientTest.sol";

/// @title No byte of a proof, update or report is without effect: cut, changed, moved, added or left out, it is refused (INV-1,
/// INV-7). Each header has exactly the seals that it needs, so that no part is one too many.
contract BftMutationsTest is BftClientTest {
    BftHeader.Kind internal constant QBFT = BftHeader.Kind.QBFT;
    BftHeader.Kind internal constant IBFT2 = BftHeader.Kind.IBFT2;

    BftLightClient[4] internal clients;
    bytes[4] internal proofs;
    bytes32[4] internal slots;

    uint256[] internal keys = keysOf(1, 4);
    bytes internal changeData;
    bytes internal forkData;
    bytes internal honestData;

    function setUp() public override {
        super.setUp();
        // 0: the shortest of headers; 1: one with everything in it; 2: exclusion; 3: against an anchor.
        uint256[] memory seven = keysOf(7, 7);
        clients[0] = deploy(QBFT, keys);
        clients[1] = deploy(IBFT2, seven);
        clients[2] = clients[0];
        clients[3] = deploy(QBFT, keys);
        slots = [SLOT, SLOT, ABSENT_SLOT, SLOT];

        Block memory b = provingBlock(QBFT, keys);
        (b.transactionsRoot, b.receiptsRoot, b.bloom, b.tail) = (EMPTY_ROOT, EMPTY_ROOT, new bytes(256), "");
        proofs[0] = proofBy(b, keys, 7);
        proofs[2] = bytes.concat(hex"00", exclusion, sealedWithoutRoot(b, keys, 14));
        clients[3].anchor(sealedBlock(b, keys, 7));
        proofs[3] = bytes.concat(hex"01", inclusion);

        Block memory full = provingBlock(IBFT2, seven);
        full.vanity = keccak256("vanity");
        full.vote = hex"d694000000000000000000000000000000000000beef80";
        full.round = hex"8400000005";
        full.tail = prague();
        Form memory form;
        form.sparseBloom = true;
        proofs[1] = proofInForm(full, form, seven, 0x5d);

        uint256[] memory three = keysOf(1, 3);
        Block memory one = blockOf(QBFT, addressesOf(three), TRUSTED_HEIGHT + 1);
        Block memory two = blockOf(QBFT, addressesOf(three), TRUSTED_HEIGHT + 2);
        bytes memory headers = bytes.concat(sealedBlock(one, three, 3), sealedBlock(two, three, 6));
        changeData = change(addressesOf(keys), addressesOf(three), headers, 2);

        Block memory round0 = blockOf(QBFT, addressesOf(keys), TRUSTED_HEIGHT + 1);
        Block memory round1 = blockOf(QBFT, addressesOf(keys), TRUSTED_HEIGHT + 1);
        round1.round = hex"820101";
        honestData = bytes.concat(sealedBlock(round0, keys, 7), sealedBlock(round1, keys, 14));
        round1.stateRoot = keccak256("fork");
        forkData = bytes.concat(sealedBlock(round0, keys, 7), sealedBlock(round1, keys, 14));
    }

    function test_whatIsMutatedIsAccepted() public {
        for (uint256 i = 0; i < 4; ++i) {
            (bytes32 value,,) = clients[i].storageAt(proofs[i], ACCOUNT, slots[i]);
            assertEq(value, i == 2 ? bytes32(0) : VALUE);
        }
        clients[0].update(changeData);
        clients[3].freeze(forkData);
    }

    /// forge-config: default.fuzz.runs = 12000
    function testFuzz_INV1_mutatedProof(uint256 seed) public view {
        uint256 which = (seed >> 248) % 4;
        bytes memory mutant = Mutation.make(proofs[which], seed);
        if (keccak256(mutant) == keccak256(proofs[which])) return;
        try clients[which].storageAt(mutant, ACCOUNT, slots[which]) {
            assertTrue(false, "a mutated proof was accepted");
        } catch {}
    }

    /// forge-config: default.fuzz.runs = 4000
    function testFuzz_INV7_mutatedUpdate(uint256 seed) public {
        bytes memory mutant = Mutation.make(changeData, seed);
        if (keccak256(mutant) == keccak256(changeData)) return;
        try clients[0].update(mutant) {
            assertTrue(false, "a mutated update was accepted");
        } catch {}
    }

    /// @dev Neither becomes an honest pair a fork, nor is a fork shown by anything but its two headers.
    /// forge-config: default.fuzz.runs = 4000
    function testFuzz_INV7_mutatedMisbehaviour(uint256 seed) public {
        bool fork = seed >> 255 != 0;
        bytes memory mutant = Mutation.make(fork ? forkData : honestData, seed);
        if (fork && keccak256(mutant) == keccak256(forkData)) return;
        try clients[0].freeze(mutant) {
            assertTrue(false, "a mutated report was accepted");
        } catch {}
    }

    function test_INV1_truncatedAtEveryLength() public view {
        for (uint256 i = 0; i < 4; ++i) {
            for (uint256 length = 0; length < proofs[i].length; ++length) {
                bytes memory cut = bytes.concat(proofs[i]);
                assembly ("memory-safe") {
                    mstore(cut, length)
                }
                try clients[i].storageAt(cut, ACCOUNT, slots[i]) {
                    assertTrue(false, "a truncated proof was accepted");
                } catch {}
            }
        }
    }

    /// @dev Every bit of a proof, turned.
    function test_INV1_everyBit() public view {
        bytes memory mutant = proofs[0];
        for (uint256 i = 0; i < mutant.length * 8; ++i) {
            bytes1 bit = bytes1(uint8(1 << (i % 8)));
            mutant[i / 8] ^= bit;
            try clients[0].storageAt(mutant, ACCOUNT, SLOT) {
                assertTrue(false, "a proof with a turned bit was accepted");
            } catch {}
            mutant[i / 8] ^= bit;
        }
    }
}
