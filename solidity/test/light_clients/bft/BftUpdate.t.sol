// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ILightClient} from "../../../src/interfaces/ILightClient.sol";
import {BftHeader} from "../../../src/light_clients/bft/BftHeader.sol";
import {BftLightClient} from "../../../src/light_clients/bft/BftLightClient.sol";
import {BftTrust} from "../../../src/light_clients/bft/BftTrust.sol";
import {LightClient} from "../../../src/light_clients/shared/LightClient.sol";
import {Block} from "./support/BftChain.sol";
import {BftClientTest} from "./support/BftClientTest.sol";

/// @title How trusted state moves (docs/reference/wire-formats.md §6.3).
contract BftUpdateTest is BftClientTest {
    BftHeader.Kind internal constant QBFT = BftHeader.Kind.QBFT;
    BftHeader.Kind internal constant IBFT2 = BftHeader.Kind.IBFT2;

    // ------------------------------------------------------------------------------------------------ the same set

    /// @dev ceil(2n / 3) of the set and one less, for both kinds.
    function test_INV7_ownQuorumOfEverySize() public {
        for (uint256 count = 1; count <= 25; ++count) {
            for (uint256 kind = 0; kind < 3; ++kind) {
                uint256[] memory keys = keysOf(count, count);
                BftLightClient client = deploy(BftHeader.Kind(kind), keys);
                Block memory b = _next(BftHeader.Kind(kind), keys, 1);
                uint256 needed = ceilTwoThirds(count);
                _rejects(
                    client, refresh(sealedBlock(b, keys, first(needed - 1)), 1), quorumNotReached(needed - 1, needed)
                );
                _moves(client, refresh(sealedBlock(b, keys, first(needed)), 1), b);
            }
        }
    }

    function test_INV7_foreignSetWithoutLink() public {
        uint256[] memory keys = keysOf(1, 4);
        uint256[] memory others = keysOf(2, 4);
        BftLightClient client = deploy(QBFT, keys);
        Block memory b = _next(QBFT, others, 1);
        _rejects(client, refresh(sealedBlock(b, others, first(4)), 1), notTrusted(others, keys));
    }

    function test_heightMustRise() public {
        uint256[] memory keys = keysOf(1, 4);
        BftLightClient client = deploy(QBFT, keys);
        for (uint256 back = 0; back < 3; ++back) {
            Block memory b = _next(QBFT, keys, 1);
            b.number = TRUSTED_HEIGHT - back;
            _rejects(
                client,
                refresh(sealedBlock(b, keys, first(3)), 1),
                abi.encodeWithSelector(LightClient.HeightNotAbove.selector, b.number, TRUSTED_HEIGHT)
            );
        }
    }

    function test_timeMustNotFall() public {
        uint256[] memory keys = keysOf(1, 4);
        BftLightClient client = deploy(QBFT, keys);
        Block memory b = _next(QBFT, keys, 1);
        b.timestamp = TRUSTED_TIME - 1;
        _rejects(
            client,
            refresh(sealedBlock(b, keys, first(3)), 1),
            abi.encodeWithSelector(BftTrust.TimestampBelow.selector, TRUSTED_TIME - 1, TRUSTED_TIME)
        );
        // Two blocks of one second are fine.
        b.timestamp = TRUSTED_TIME;
        _moves(client, refresh(sealedBlock(b, keys, first(3)), 1), b);
    }

    function test_INV7_clockDrift() public {
        uint256[] memory keys = keysOf(1, 4);
        BftLightClient client = deploy(QBFT, keys);
        Block memory b = _next(QBFT, keys, 1);
        b.timestamp = NOW + CLOCK_DRIFT + 1;
        _rejects(
            client,
            refresh(sealedBlock(b, keys, first(3)), 1),
            abi.encodeWithSelector(LightClient.TimestampInFuture.selector, b.timestamp, NOW + CLOCK_DRIFT)
        );
        b.timestamp = NOW + CLOCK_DRIFT;
        _moves(client, refresh(sealedBlock(b, keys, first(3)), 1), b);
    }

    function test_INV7_notWhileExpiredOrFrozen() public {
        uint256[] memory keys = keysOf(1, 4);
        BftLightClient client = deploy(QBFT, keys);
        bytes memory data = refresh(sealedBlock(_next(QBFT, keys, 1), keys, first(3)), 1);
        vm.warp(uint256(TRUSTED_TIME) + TRUSTING_PERIOD + 1);
        _rejects(client, data, abi.encodeWithSelector(ILightClient.NotActive.selector, ILightClient.Status.Expired));
        vm.warp(NOW);
        _freeze(client, keys);
        _rejects(client, data, abi.encodeWithSelector(ILightClient.NotActive.selector, ILightClient.Status.Frozen));
    }

    /// @dev An update keeps the client alive for another trusting period from its header on.
    function test_refreshExtendsTrust() public {
        uint256[] memory keys = keysOf(1, 4);
        BftLightClient client = deploy(QBFT, keys);
        vm.warp(uint256(TRUSTED_TIME) + TRUSTING_PERIOD);
        Block memory b = _next(QBFT, keys, 1);
        b.timestamp = block.timestamp;
        _moves(client, refresh(sealedBlock(b, keys, first(3)), 1), b);
        vm.warp(b.timestamp + TRUSTING_PERIOD);
        assertEq(uint256(client.status()), uint256(ILightClient.Status.Active));
        vm.warp(b.timestamp + TRUSTING_PERIOD + 1);
        assertEq(uint256(client.status()), uint256(ILightClient.Status.Expired));
    }

    function test_eightHeadersAtMost() public {
        uint256[] memory keys = keysOf(1, 1);
        BftLightClient client = deploy(QBFT, keys);
        bytes memory headers;
        Block memory b;
        for (uint256 i = 1; i <= 9; ++i) {
            b = _next(QBFT, keys, i);
            headers = bytes.concat(headers, sealedBlock(b, keys, 1));
            if (i == 8) _moves(client, refresh(headers, 8), b);
        }
        _rejects(client, refresh(headers, 9), abi.encodeWithSelector(BftLightClient.HeaderCountInvalid.selector, 9, 8));
        _rejects(client, refresh("", 0), abi.encodeWithSelector(BftLightClient.HeaderCountInvalid.selector, 0, 8));
    }

    /// @dev Every header counts: each with its own quorum, above the one before, and no earlier.
    function test_INV7_everyHeaderIsChecked() public {
        uint256[] memory keys = keysOf(1, 4);
        BftLightClient client = deploy(QBFT, keys);
        Block memory one = _next(QBFT, keys, 1);
        Block memory two = _next(QBFT, keys, 2);
        bytes memory good = sealedBlock(two, keys, first(3));
        _rejects(client, refresh(bytes.concat(sealedBlock(one, keys, first(2)), good), 2), quorumNotReached(2, 3));
        _rejects(
            client,
            refresh(bytes.concat(sealedBlock(one, keys, first(3)), sealedBlock(two, keys, first(2))), 2),
            quorumNotReached(2, 3)
        );
        _rejects(
            client,
            refresh(bytes.concat(good, sealedBlock(one, keys, first(3))), 2),
            abi.encodeWithSelector(LightClient.HeightNotAbove.selector, one.number, two.number)
        );
        _rejects(
            client,
            refresh(bytes.concat(good, good), 2),
            abi.encodeWithSelector(LightClient.HeightNotAbove.selector, two.number, two.number)
        );
        two.timestamp = one.timestamp - 1;
        _rejects(
            client,
            refresh(bytes.concat(sealedBlock(one, keys, first(3)), sealedBlock(two, keys, first(3))), 2),
            abi.encodeWithSelector(BftTrust.TimestampBelow.selector, two.timestamp, one.timestamp)
        );
        _moves(client, refresh(bytes.concat(sealedBlock(one, keys, first(3)), good), 2), _next(QBFT, keys, 2));
    }

    function test_oneSetInAnUpdate() public {
        uint256[] memory keys = keysOf(1, 4);
        uint256[] memory others = keysOf(1, 5);
        BftLightClient client = deploy(QBFT, keys);
        bytes memory headers = bytes.concat(
            sealedBlock(_next(QBFT, keys, 1), keys, first(4)), sealedBlock(_next(QBFT, others, 2), others, first(5))
        );
        _rejects(
            client,
            refresh(headers, 2),
            abi.encodeWithSelector(
                BftLightClient.SetsDiffer.selector, setHashOf(addressesOf(others)), setHashOf(addressesOf(keys))
            )
        );
    }

    // ------------------------------------------------------------------------------------------------ another set

    /// @dev Trusted members who stay, at their quorum and one less, for every size: the rest of the new set are strangers, so
    /// that its own quorum does not decide.
    function test_INV7_trustedQuorumOfEverySize() public {
        for (uint256 count = 1; count <= 25; ++count) {
            uint256 needed = ceilTwoThirds(count);
            _trustedQuorum(BftHeader.Kind(count % 3), count, needed);
            if (needed > 1) _trustedQuorum(BftHeader.Kind(count % 3), count, needed - 1);
        }
    }

    /// @dev `stay` trusted members and one stranger, all of whom seal.
    function _trustedQuorum(BftHeader.Kind kind, uint256 count, uint256 stay) private {
        uint256[] memory old = keysOf(count, count);
        uint256[] memory keys = keysOf(count, stay + 1);
        keys[stay] = keyOf(77, stay);
        BftLightClient client = deploy(kind, old);
        Block memory b = _next(kind, keys, 1);
        bytes memory data = change(addressesOf(old), addressesOf(keys), sealedBlock(b, keys, first(stay + 1)), 1);
        uint256 needed = ceilTwoThirds(count);
        if (stay < needed) _rejects(client, data, quorumNotReached(stay, needed));
        else _moves(client, data, b);
    }

    /// @dev The new set's own quorum, at its boundary, while all of the trusted ones who seal suffice.
    function test_INV7_newSetNeedsItsOwnQuorum() public {
        uint256[] memory old = keysOf(1, 3);
        uint256[] memory keys = keysOf(1, 6);
        BftLightClient client = deploy(QBFT, old);
        Block memory b = _next(QBFT, keys, 1);
        _rejects(
            client,
            change(addressesOf(old), addressesOf(keys), sealedBlock(b, keys, first(3)), 1),
            quorumNotReached(3, 4)
        );
        _moves(client, change(addressesOf(old), addressesOf(keys), sealedBlock(b, keys, first(4)), 1), b);
    }

    /// @dev 4 → 3: blocks of the new set need 2 seals, and the old set's quorum is 3. No header with two seals is enough; two
    /// headers whose seals differ are.
    function test_INV7_removalByUnionOfSeals() public {
        for (uint256 kind = 0; kind < 3; ++kind) {
            BftHeader.Kind k = BftHeader.Kind(kind);
            uint256[] memory old = keysOf(1, 4);
            uint256[] memory keys = keysOf(1, 3);
            BftLightClient client = deploy(k, old);
            Block memory one = _next(k, keys, 1);
            Block memory two = _next(k, keys, 2);
            (address[] memory from, address[] memory to) = (addressesOf(old), addressesOf(keys));
            _rejects(client, change(from, to, sealedBlock(one, keys, 3), 1), quorumNotReached(2, 3));
            // The same two, twice, are still two.
            bytes memory same = bytes.concat(sealedBlock(one, keys, 3), sealedBlock(two, keys, 3));
            _rejects(client, change(from, to, same, 2), quorumNotReached(2, 3));
            bytes memory union = bytes.concat(sealedBlock(one, keys, 3), sealedBlock(two, keys, 6));
            _moves(client, change(from, to, union, 2), two);
        }
    }

    function test_growth() public {
        uint256[] memory old = keysOf(1, 4);
        uint256[] memory keys = keysOf(1, 5);
        BftLightClient client = deploy(QBFT, old);
        Block memory b = _next(QBFT, keys, 1);
        _moves(client, change(addressesOf(old), addressesOf(keys), sealedBlock(b, keys, first(4)), 1), b);
        // From now on only the new set is believed.
        Block memory stale = _next(QBFT, old, 2);
        _rejects(client, refresh(sealedBlock(stale, old, first(4)), 1), notTrusted(old, keys));
    }

    /// @dev One of four replaced, in the middle and with the order changed.
    function test_replacement() public {
        uint256[] memory old = keysOf(1, 4);
        uint256[] memory keys = keysOf(1, 4);
        keys[0] = old[3];
        keys[1] = keyOf(9, 1);
        keys[3] = old[0];
        BftLightClient client = deploy(IBFT2, old);
        Block memory b = _next(IBFT2, keys, 1);
        (address[] memory from, address[] memory to) = (addressesOf(old), addressesOf(keys));
        // The newcomer's seal is no witness of the old set.
        _rejects(client, change(from, to, sealedBlock(b, keys, 7), 1), quorumNotReached(2, 3));
        _moves(client, change(from, to, sealedBlock(b, keys, 13), 1), b);
    }

    /// @dev After an absence: every set on the way, 4 → 5 → 6 → 7 → 6, each linked to the one before.
    function test_stepping() public {
        uint256[5] memory sizes = [uint256(4), 5, 6, 7, 6];
        BftLightClient client = deploy(QBFT, keysOf(1, 4));
        for (uint256 i = 1; i < 5; ++i) {
            uint256[] memory old = keysOf(1, sizes[i - 1]);
            uint256[] memory keys = keysOf(1, sizes[i]);
            Block memory b = _next(QBFT, keys, i);
            uint256 sealers = first(ceilTwoThirds(sizes[i - 1] > sizes[i] ? sizes[i - 1] : sizes[i]));
            _moves(client, change(addressesOf(old), addressesOf(keys), sealedBlock(b, keys, sealers), 1), b);
        }
    }

    /// @dev A third of the trusted keys declare themselves, alone or among friends.
    function test_INV7_selfDeclaredSets() public {
        uint256[] memory old = keysOf(1, 6);
        BftLightClient client = deploy(QBFT, old);
        for (uint256 own = 0; own <= 3; ++own) {
            for (uint256 friends = own == 0 ? 1 : 0; friends <= 4; ++friends) {
                uint256[] memory keys = new uint256[](own + friends);
                for (uint256 i = 0; i < keys.length; ++i) {
                    keys[i] = i < own ? old[i] : keyOf(66, i);
                }
                bytes memory data = change(
                    addressesOf(old), addressesOf(keys), sealedBlock(_next(QBFT, keys, 1), keys, first(keys.length)), 1
                );
                _rejects(client, data, quorumNotReached(own, 4));
            }
        }
    }

    // ------------------------------------------------------------------------------------------------ the link

    /// @dev Indices cannot make strangers witnesses, nor one witness two.
    function test_INV7_indicesNameTheSameAddress() public {
        uint256[] memory old = keysOf(1, 4);
        uint256[] memory keys = keysOf(66, 3);
        BftLightClient client = deploy(QBFT, old);
        bytes memory header = sealedBlock(_next(QBFT, keys, 1), keys, first(3));
        _rejects(
            client,
            bytes.concat(hex"01", linkWith(addressesOf(old), hex"000102"), header),
            _linkMismatch(0, vm.addr(old[0]), vm.addr(keys[0]))
        );
        // An index beyond the trusted set names nobody.
        _rejects(
            client,
            bytes.concat(hex"01", linkWith(addressesOf(old), hex"ff04ff"), header),
            _linkMismatch(1, address(0), vm.addr(keys[1]))
        );
        _rejects(
            client,
            bytes.concat(hex"01", linkWith(addressesOf(old), hex"fffffe"), header),
            _linkMismatch(2, address(0), vm.addr(keys[2]))
        );
    }

    function _linkMismatch(uint256 index, address found, address expected) private pure returns (bytes memory) {
        return abi.encodeWithSelector(BftLightClient.LinkMismatch.selector, index, found, expected);
    }

    /// @dev One trusted member listed again and again, each time as another new one.
    function test_INV7_memberTwice() public {
        uint256[] memory old = keysOf(1, 4);
        uint256[] memory keys = new uint256[](3);
        for (uint256 i = 0; i < 3; ++i) {
            keys[i] = old[0];
        }
        BftLightClient client = deploy(QBFT, old);
        bytes memory header = sealedBlock(_next(QBFT, keys, 1), keys, first(3));
        bytes memory twice = abi.encodeWithSelector(BftTrust.ValidatorTwice.selector, 1, vm.addr(old[0]));
        _rejects(client, bytes.concat(hex"01", linkWith(addressesOf(old), hex"000000"), header), twice);
        _rejects(client, bytes.concat(hex"01", linkWith(addressesOf(old), hex"00ffff"), header), twice);
        _rejects(client, bytes.concat(hex"01", linkWith(addressesOf(old), hex"ffffff"), header), twice);
    }

    /// @dev At every pair of places, whether the list ascends there or not.
    /// forge-config: default.fuzz.runs = 100
    function testFuzz_INV7_memberTwiceAnywhere(uint256 one, uint256 other, uint256 group) public {
        uint256[] memory old = keysOf(1, 8);
        uint256[] memory keys = keysOf(group, 10);
        (one, other) = (one % 10, other % 9);
        if (other >= one) ++other;
        keys[one] = keys[other];
        BftLightClient client = deploy(QBFT, old);
        bytes memory data =
            change(addressesOf(old), addressesOf(keys), sealedBlock(_next(QBFT, keys, 1), keys, first(10)), 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                BftTrust.ValidatorTwice.selector, one > other ? one : other, vm.addr(keys[one])
            )
        );
        client.update(data);
    }

    function test_INV7_memberZero() public {
        uint256[] memory old = keysOf(1, 4);
        BftLightClient client = deploy(QBFT, old);
        for (uint256 place = 0; place < 5; ++place) {
            Block memory b = _next(QBFT, keysOf(1, 5), 1);
            b.validators[place] = address(0);
            uint256 sealers = first(5) ^ (1 << place);
            bytes memory data = change(addressesOf(old), b.validators, sealedBlock(b, keysOf(1, 5), sealers), 1);
            _rejects(client, data, abi.encodeWithSelector(BftTrust.ValidatorZero.selector, place));
        }
    }

    function test_INV7_linkFromAnotherSet() public {
        uint256[] memory keys = keysOf(1, 4);
        uint256[] memory attackers = keysOf(66, 4);
        uint256[] memory next = keysOf(66, 5);
        BftLightClient client = deploy(QBFT, keys);
        bytes memory header = sealedBlock(_next(QBFT, next, 1), next, first(5));
        _rejects(client, change(addressesOf(attackers), addressesOf(next), header, 1), notTrusted(attackers, keys));
        _rejects(
            client,
            change(new address[](0), addressesOf(next), header, 1),
            abi.encodeWithSelector(BftTrust.NotTrustedSet.selector, keccak256(""), setHashOf(addressesOf(keys)))
        );
    }

    function test_linkToTheSameSet() public {
        uint256[] memory keys = keysOf(1, 4);
        BftLightClient client = deploy(QBFT, keys);
        address[] memory members = addressesOf(keys);
        _rejects(
            client,
            change(members, members, sealedBlock(_next(QBFT, keys, 1), keys, first(4)), 1),
            abi.encodeWithSelector(BftLightClient.SetUnchanged.selector, setHashOf(members))
        );
    }

    function test_linkOfAnotherLength() public {
        uint256[] memory old = keysOf(1, 4);
        uint256[] memory keys = keysOf(1, 5);
        BftLightClient client = deploy(QBFT, old);
        bytes memory header = sealedBlock(_next(QBFT, keys, 1), keys, first(5));
        _rejects(
            client,
            bytes.concat(hex"01", linkWith(addressesOf(old), hex"00010203"), header),
            abi.encodeWithSelector(BftLightClient.LinkLengthMismatch.selector, 4, 5)
        );
        _rejects(
            client,
            bytes.concat(hex"01", linkWith(addressesOf(old), hex"00010203ffff"), header),
            abi.encodeWithSelector(BftLightClient.LinkLengthMismatch.selector, 6, 5)
        );
        _rejects(
            client,
            bytes.concat(hex"01", linkWith(addressesOf(old), ""), header),
            abi.encodeWithSelector(BftLightClient.LinkLengthMismatch.selector, 0, 5)
        );
    }

    function test_unknownLink() public {
        uint256[] memory keys = keysOf(1, 4);
        BftLightClient client = deploy(QBFT, keys);
        bytes memory header = sealedBlock(_next(QBFT, keys, 1), keys, first(4));
        _rejects(client, bytes.concat(hex"0102", header), abi.encodeWithSelector(LightClient.FormUnknown.selector, 2));
    }

    // ------------------------------------------------------------------------------------------------ bytes

    function test_leftOver() public {
        uint256[] memory keys = keysOf(1, 4);
        BftLightClient client = deploy(QBFT, keys);
        bytes memory data = refresh(sealedBlock(_next(QBFT, keys, 1), keys, first(3)), 1);
        _rejects(
            client,
            bytes.concat(data, hex"00"),
            abi.encodeWithSelector(LightClient.LengthMismatch.selector, data.length + 1, data.length)
        );
    }

    function test_truncatedAtEveryLength() public {
        uint256[] memory old = keysOf(1, 4);
        uint256[] memory keys = keysOf(1, 3);
        BftLightClient client = deploy(QBFT, old);
        Block memory two = _next(QBFT, keys, 2);
        bytes memory headers = bytes.concat(sealedBlock(_next(QBFT, keys, 1), keys, 3), sealedBlock(two, keys, 6));
        bytes memory data = change(addressesOf(old), addressesOf(keys), headers, 2);
        for (uint256 length = 0; length < data.length; ++length) {
            bytes memory cut = bytes.concat(data);
            assembly ("memory-safe") {
                mstore(cut, length)
            }
            try client.update(cut) {
                assertTrue(false, "a truncated update was accepted");
            } catch {}
        }
        _moves(client, data, two);
    }

    // ------------------------------------------------------------------------------------------------ helpers

    /// @dev The `ahead`-th block after the trusted one.
    function _next(BftHeader.Kind kind, uint256[] memory keys, uint256 ahead) private pure returns (Block memory) {
        return blockOf(kind, addressesOf(keys), TRUSTED_HEIGHT + ahead);
    }

    function _rejects(BftLightClient client, bytes memory data, bytes memory reason) private {
        vm.expectRevert(reason);
        client.update(data);
    }

    function _moves(BftLightClient client, bytes memory data, Block memory to) private {
        vm.expectEmit(address(client));
        emit ILightClient.Updated(uint64(to.number), uint64(to.timestamp));
        client.update(data);
        (bytes32 setHash, uint64 height, uint64 timestamp, bool frozen) = client.trustedState();
        assertEq(setHash, setHashOf(to.validators));
        assertEq(height, to.number);
        assertEq(timestamp, to.timestamp);
        assertFalse(frozen);
    }

    function _freeze(BftLightClient client, uint256[] memory keys) private {
        Block memory one = _next(QBFT, keys, 5);
        Block memory other = _next(QBFT, keys, 5);
        other.stateRoot = keccak256("fork");
        client.freeze(bytes.concat(sealedBlock(one, keys, first(3)), sealedBlock(other, keys, first(3))));
    }
}
