// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {ILightClient} from "../../../src/interfaces/ILightClient.sol";
import {BftHeader} from "../../../src/light_clients/bft/BftHeader.sol";
import {BftLightClient} from "../../../src/light_clients/bft/BftLightClient.sol";
import {BftTrust} from "../../../src/light_clients/bft/BftTrust.sol";
import {LightClient} from "../../../src/light_clients/shared/LightClient.sol";
import {Block} from "./support/BftChain.sol";
import {BftClientTest} from "./support/BftClientTest.sol";

/// @title Where trust begins, and who may begin anew.
contract BftBootstrapTest is BftClientTest {
    BftHeader.Kind internal constant QBFT = BftHeader.Kind.QBFT;

    function test_deployment() public {
        uint256[] memory keys = keysOf(1, 4);
        address[] memory members = addressesOf(keys);
        vm.expectEmit();
        emit BftTrust.Bootstrapped(TRUSTED_HEIGHT, TRUSTED_TIME, members);
        BftLightClient client = deploy(BftHeader.Kind.IBFT2, keys);
        (bytes32 setHash, uint64 height, uint64 timestamp, bool frozen) = client.trustedState();
        assertEq(setHash, setHashOf(members));
        assertEq(height, TRUSTED_HEIGHT);
        assertEq(timestamp, TRUSTED_TIME);
        assertFalse(frozen);
        (BftHeader.Kind kind, BftHeader.Kind later, uint64 laterFrom) = client.kinds();
        assertTrue(kind == BftHeader.Kind.IBFT2 && later == BftHeader.Kind.IBFT2 && laterFrom == 0);
        assertEq(client.trustingPeriod(), TRUSTING_PERIOD);
        assertEq(client.maxClockDrift(), CLOCK_DRIFT);
        assertEq(client.authority(), address(manager));
        assertEq(uint256(client.status()), uint256(ILightClient.Status.Active));
        assertLt(address(client).code.length, 24_576);
    }

    function test_quorum() public {
        BftLightClient client = deploy(QBFT, keysOf(1, 1));
        uint8[26] memory needed =
            [0, 1, 2, 2, 3, 4, 4, 5, 6, 6, 7, 8, 8, 9, 10, 10, 11, 12, 12, 13, 14, 14, 15, 16, 16, 17];
        for (uint256 n = 0; n < 26; ++n) {
            assertEq(client.quorum(n), needed[n]);
        }
        assertEq(client.quorum(255), 170);
        vm.expectRevert(abi.encodeWithSelector(BftTrust.ValidatorCountInvalid.selector, 256, 255));
        client.quorum(256);
    }

    // ------------------------------------------------------------------------------------------------ what is refused

    function test_members() public {
        _refused(
            new address[](0),
            1,
            TRUSTED_TIME,
            abi.encodeWithSelector(BftTrust.ValidatorCountInvalid.selector, 0, 255)
        );
        _refused(
            new address[](256),
            1,
            TRUSTED_TIME,
            abi.encodeWithSelector(BftTrust.ValidatorCountInvalid.selector, 256, 255)
        );
        for (uint256 i = 0; i < 4; ++i) {
            address[] memory members = addressesOf(keysOf(1, 4));
            members[i] = address(0);
            _refused(members, 1, TRUSTED_TIME, abi.encodeWithSelector(BftTrust.ValidatorZero.selector, i));
            for (uint256 j = i + 1; j < 4; ++j) {
                members = addressesOf(keysOf(1, 4));
                members[j] = members[i];
                _refused(
                    members,
                    1,
                    TRUSTED_TIME,
                    abi.encodeWithSelector(BftTrust.ValidatorTwice.selector, j, members[i])
                );
            }
        }
    }

    function test_heightAndTime() public {
        address[] memory members = addressesOf(keysOf(1, 4));
        _refused(members, 0, TRUSTED_TIME, abi.encodeWithSelector(BftTrust.HeightZero.selector));
        _refused(
            members,
            1,
            uint64(NOW + CLOCK_DRIFT + 1),
            abi.encodeWithSelector(LightClient.TimestampInFuture.selector, NOW + CLOCK_DRIFT + 1, NOW + CLOCK_DRIFT)
        );
        _refused(
            members,
            1,
            uint64(NOW - TRUSTING_PERIOD - 1),
            abi.encodeWithSelector(ILightClient.NotActive.selector, ILightClient.Status.Expired)
        );
    }

    function test_authorityAndPeriods() public {
        address[] memory members = addressesOf(keysOf(1, 4));
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedInvalidAuthority.selector, address(0xdead)));
        this.create(address(0xdead), members, 1, TRUSTED_TIME, TRUSTING_PERIOD, CLOCK_DRIFT);
        vm.expectRevert(abi.encodeWithSelector(LightClient.PeriodsInvalid.selector, 0, 0));
        this.create(address(manager), members, 1, TRUSTED_TIME, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(LightClient.PeriodsInvalid.selector, 60, 60));
        this.create(address(manager), members, 1, uint64(NOW), 60, 60);
        assertEq(this.create(address(manager), members, 1, uint64(NOW), 60, 59).trustingPeriod(), 60);
    }

    /// @dev In a frame of its own: a creation that reverts would else end the test that expects it.
    function create(
        address authority,
        address[] memory members,
        uint64 height,
        uint64 timestamp,
        uint64 trustingPeriod,
        uint64 maxClockDrift
    ) external returns (BftLightClient) {
        return new BftLightClient(authority, QBFT, QBFT, 0, members, height, timestamp, trustingPeriod, maxClockDrift);
    }

    function _refused(address[] memory members, uint64 height, uint64 timestamp, bytes memory reason) private {
        vm.expectRevert(reason);
        this.create(address(manager), members, height, timestamp, TRUSTING_PERIOD, CLOCK_DRIFT);
        BftLightClient client = deploy(QBFT, keysOf(1, 1));
        vm.expectRevert(reason);
        client.bootstrap(members, height, timestamp);
    }

    // ------------------------------------------------------------------------------------------------ again

    function test_INV7_onlyTheAdmin() public {
        BftLightClient client = deploy(QBFT, keysOf(1, 4));
        address[] memory members = addressesOf(keysOf(66, 4));
        address stranger = makeAddr("stranger");
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, stranger));
        vm.prank(stranger);
        client.bootstrap(members, 1, TRUSTED_TIME);
    }

    /// @dev Unfreezes, may go back in height, and forgets the anchor of the state that was given up.
    function test_bootstrapAgain() public {
        uint256[] memory keys = keysOf(1, 4);
        BftLightClient client = deploy(QBFT, keys);
        Block memory b = provingBlock(QBFT, keys);
        client.anchor(sealedBlock(b, keys, 7));
        Block memory fork = provingBlock(QBFT, keys);
        fork.stateRoot = keccak256("fork");
        client.freeze(bytes.concat(sealedBlock(b, keys, 7), sealedBlock(fork, keys, 7)));

        uint256[] memory next = keysOf(2, 5);
        address[] memory members = addressesOf(next);
        vm.expectEmit(address(client));
        emit BftTrust.Bootstrapped(7, TRUSTED_TIME + 1, members);
        client.bootstrap(members, 7, TRUSTED_TIME + 1);

        assertEq(uint256(client.status()), uint256(ILightClient.Status.Active));
        (bytes32 setHash, uint64 height, uint64 timestamp, bool frozen) = client.trustedState();
        assertEq(setHash, setHashOf(members));
        assertEq(height, 7);
        assertEq(timestamp, TRUSTED_TIME + 1);
        assertFalse(frozen);
        assertRejected(client, bytes.concat(hex"01", inclusion), abi.encodeWithSelector(LightClient.NoAnchor.selector));
        assertRejected(client, proofBy(b, keys, 7), notTrusted(keys, next));
        Block memory proving = provingBlock(QBFT, next);
        assertProves(client, proofBy(proving, next, first(4)), proving);
    }

    function test_bootstrapAfterExpiry() public {
        uint256[] memory keys = keysOf(1, 4);
        BftLightClient client = deploy(QBFT, keys);
        vm.warp(uint256(TRUSTED_TIME) + TRUSTING_PERIOD + 1);
        client.bootstrap(addressesOf(keys), TRUSTED_HEIGHT + 1, uint64(block.timestamp));
        assertEq(uint256(client.status()), uint256(ILightClient.Status.Active));
    }
}
