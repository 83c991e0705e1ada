// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {BftHeader} from "../../../src/light_clients/bft/BftHeader.sol";
import {BftLightClient} from "../../../src/light_clients/bft/BftLightClient.sol";
import {BftTrust} from "../../../src/light_clients/bft/BftTrust.sol";
import {Rlp} from "../../support/Rlp.sol";
import {Block, Form} from "./support/BftChain.sol";
import {BftClientTest} from "./support/BftClientTest.sol";

/// @title Legacy Istanbul's headers, and chains that go from one protocol to another at a height.
contract BftProtocolsTest is BftClientTest {
    BftHeader.Kind internal constant QBFT = BftHeader.Kind.QBFT;
    BftHeader.Kind internal constant IBFT2 = BftHeader.Kind.IBFT2;
    BftHeader.Kind internal constant ISTANBUL = BftHeader.Kind.ISTANBUL;

    uint256[] internal keys = keysOf(1, 4);

    // ------------------------------------------------------------------------------------------------ legacy Istanbul

    function test_INV8_votesAndVanity() public {
        BftLightClient client = deploy(ISTANBUL, keys);
        Block memory b = provingBlock(ISTANBUL, keys);
        Form memory form;
        assertProves(client, proofInForm(b, form, keys, 7), b);
        // No vote in full.
        form.explicitVote = true;
        assertProves(client, proofInForm(b, form, keys, 7), b);
        b.vanity = keccak256("vanity");
        (b.vote, b.nonce) = (hex"01", hex"ffffffffffffffff");
        assertProves(client, proofInForm(b, form, keys, 7), b);
        b.nonce = hex"0102030405060708";
        assertProves(client, proofInForm(b, form, keys, 7), b);
    }

    /// @dev Around every length at which a tag of extraData or of the validators' list grows, and the longest.
    function test_INV8_listsOfAllLengths() public {
        for (uint256 count = 1; count <= 255; count += count == 16 ? 239 : 1) {
            uint256[] memory members = keysOf(count, count);
            BftLightClient client = deploy(ISTANBUL, members);
            Block memory b = provingBlock(ISTANBUL, members);
            assertProves(client, proofBy(b, members, (1 << ceilTwoThirds(count)) - 1), b);
            (b.vote, b.nonce) = (hex"01", hex"ffffffffffffffff");
            assertProves(client, proofBy(b, members, (1 << ceilTwoThirds(count)) - 1), b);
        }
    }

    /// @dev Bit 4 of the flags: the proposer's seal, without which no block is one of this protocol.
    function test_INV8_aProposersSealIsThere() public {
        BftLightClient client = deploy(ISTANBUL, keys);
        bytes memory proof = proofBy(provingBlock(ISTANBUL, keys), keys, 7);
        uint256 flags = 1 + inclusion.length + 1;
        proof[flags] = bytes1(uint8(proof[flags]) & ~uint8(16));
        vm.expectPartialRevert(BftHeader.HeaderMalformed.selector);
        client.storageAt(proof, ACCOUNT, SLOT);
    }

    function test_INV7_noValidators() public {
        BftLightClient client = deploy(ISTANBUL, keys);
        Block memory b = provingBlock(ISTANBUL, keys);
        b.validators = new address[](0);
        bytes memory proof = proofBy(b, new uint256[](0), 0);
        vm.expectPartialRevert(BftHeader.HeaderMalformed.selector);
        client.storageAt(proof, ACCOUNT, SLOT);
    }

    /// @dev All of a header is sealed: a proposer's seal, a nonce or a vanity of the sender's own is no header of the chain's.
    function test_INV7_everyPartIsSealed() public {
        BftLightClient client = deploy(ISTANBUL, keys);
        Block memory honest = provingBlock(ISTANBUL, keys);
        bytes memory seals = sealsBy(honest, keys, 7);
        for (uint256 i = 0; i < 3; ++i) {
            Block memory b = provingBlock(ISTANBUL, keys);
            if (i == 0) b.round = bytes.concat(keccak256("another"), keccak256("seal"), hex"00");
            if (i == 1) (b.vote, b.nonce) = (hex"01", hex"ffffffffffffffff");
            if (i == 2) b.vanity = keccak256("vanity");
            Form memory form;
            form.withoutStateRoot = true;
            bytes memory proof = bytes.concat(hex"00", inclusion, wire(b, form), seals);
            vm.expectPartialRevert(BftHeader.SealRejected.selector);
            client.storageAt(proof, ACCOUNT, SLOT);
        }
    }

    /// @dev What validators sign is the hash of the block and the code of COMMIT: a signature of the block's hash itself, which
    /// a proposer could give, is no seal.
    function test_INV7_theBlocksHashIsNotSealed() public {
        BftLightClient client = deploy(ISTANBUL, keys);
        Block memory b = provingBlock(ISTANBUL, keys);
        Form memory form;
        form.withoutStateRoot = true;
        bytes memory proof = bytes.concat(hex"00", inclusion, wire(b, form), sealsOver(onChainHash(b), keys, 7));
        vm.expectPartialRevert(BftHeader.SealRejected.selector);
        client.storageAt(proof, ACCOUNT, SLOT);
    }

    /// @dev A block of another proposer is another block, and its height may have only one.
    function test_INV7_anotherProposersBlock() public {
        BftLightClient client = deploy(ISTANBUL, keys);
        Block memory one = provingBlock(ISTANBUL, keys);
        Block memory other = provingBlock(ISTANBUL, keys);
        bytes memory header = sealedBlock(one, keys, 7);
        vm.expectRevert(abi.encodeWithSelector(BftTrust.NoMisbehaviour.selector, onChainHash(one)));
        client.freeze(bytes.concat(header, sealedBlock(one, keys, 14)));
        other.round = bytes.concat(keccak256("another"), keccak256("seal"), hex"00");
        client.freeze(bytes.concat(header, sealedBlock(other, keys, 14)));
        (,,, bool frozen) = client.trustedState();
        assertTrue(frozen);
    }

    // ------------------------------------------------------------------------------------------------ changes

    function test_INV7_aHeaderIsReadByTheProtocolOfItsHeight() public {
        for (uint256 i = 0; i < 3; ++i) {
            for (uint256 j = 0; j < 3; ++j) {
                (BftHeader.Kind kind, BftHeader.Kind later) = (BftHeader.Kind(i), BftHeader.Kind(j));
                BftLightClient client = deployChanging(kind, later, TRUSTED_HEIGHT + 50, keys);
                for (uint256 k = 0; k < 3; ++k) {
                    _believedIf(client, BftHeader.Kind(k), 49, k == i);
                    _believedIf(client, BftHeader.Kind(k), 50, k == j);
                    _believedIf(client, BftHeader.Kind(k), 51, k == j);
                }
            }
        }
    }

    function _believedIf(BftLightClient client, BftHeader.Kind kind, uint256 ahead, bool believed) private {
        Block memory b = provingBlock(kind, keys);
        b.number = TRUSTED_HEIGHT + ahead;
        bytes memory proof = proofBy(b, keys, 7);
        if (believed) {
            assertProves(client, proof, b);
            return;
        }
        vm.expectRevert();
        client.storageAt(proof, ACCOUNT, SLOT);
    }

    /// @dev The trusted set carries over, and so does the rule by which another one is let in: one update with a header before
    /// the change and one behind it.
    function test_INV7_trustCarriesOver() public {
        BftLightClient client = deployChanging(IBFT2, QBFT, TRUSTED_HEIGHT + 6, keys);
        uint256[] memory fewer = keysOf(1, 3);
        address[] memory to = addressesOf(fewer);
        Block memory last = blockOf(IBFT2, to, TRUSTED_HEIGHT + 5);
        Block memory first_ = blockOf(QBFT, to, TRUSTED_HEIGHT + 6);
        bytes memory headers = bytes.concat(sealedBlock(last, fewer, 3), sealedBlock(first_, fewer, 6));
        client.update(change(addressesOf(keys), to, headers, 2));
        (bytes32 setHash, uint64 height,,) = client.trustedState();
        assertEq(setHash, setHashOf(to));
        assertEq(height, TRUSTED_HEIGHT + 6);
    }

    function test_changeIsTold() public {
        BftLightClient client = deployChanging(ISTANBUL, QBFT, 150, keys);
        (BftHeader.Kind kind, BftHeader.Kind later, uint64 laterFrom) = client.kinds();
        assertTrue(kind == ISTANBUL && later == QBFT && laterFrom == 150);
    }
}
