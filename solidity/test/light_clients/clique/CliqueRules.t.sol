// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {LightClient} from "../../../src/light_clients/shared/LightClient.sol";
import {CliqueLightClient} from "../../../src/light_clients/clique/CliqueLightClient.sol";
import {CliqueRun} from "../../../src/light_clients/clique/CliqueRun.sol";
import {CliqueChain, Header} from "./support/CliqueChain.sol";

/// @title Every rule of Clique's light client, broken alone and sealed as it should be (INV-7).
contract CliqueRulesTest is CliqueChain {
    uint64 internal constant EPOCH = 100;
    uint64 internal constant HEIGHT = 130;

    /// @dev Five signers of whom the first four are trusted at the beginning.
    uint256[] internal all = signerKeys(5);
    uint256[] internal keys;
    address[] internal set;
    CliqueLightClient internal client;

    function setUp() public {
        vm.warp(NOW);
        for (uint256 i = 0; i < 4; ++i) {
            keys.push(all[i]);
        }
        set = addresses(keys);
        client = new CliqueLightClient(
            address(new AccessManager(address(this))), EPOCH, 0, set, HEIGHT, uint64(NOW - 1000), 14 days, 30
        );
    }

    // --- a header that is believed

    function test_INV7_believedUnderAsManyAsMoreThanHalf() public {
        client.anchor(anchorOf(inTurn(keys, 140, 4)));
        (bytes32 root, uint64 height,) = client.anchored();
        assertEq(height, 140);
        assertEq(root, keccak256(abi.encode("state", uint64(140))));
    }

    function test_INV7_tooFewHeaders() public {
        bytes memory data = anchorOf(inTurn(keys, 140, 3));
        vm.expectRevert();
        client.anchor(data);
    }

    function test_INV7_strangersSeal() public {
        Header[] memory run = inTurn(keys, 140, 4);
        run[2].key = all[4];
        bytes memory data = anchorOf(run);
        vm.expectPartialRevert(CliqueRun.SealRejected.selector);
        client.anchor(data);
    }

    /// @dev Two signers alone, each as often as it likes, are not more than half of four.
    function test_INV7_sealedTooSoon() public {
        Header[] memory run = inTurn(keys, 140, 4);
        (run[2].key, run[2].difficulty) = (run[0].key, 1);
        bytes memory data = anchorOf(run);
        vm.expectPartialRevert(CliqueRun.SealedTooSoon.selector);
        client.anchor(data);
    }

    function test_INV7_difficultyOfAnotherTurn() public {
        Header[] memory run = inTurn(keys, 140, 4);
        run[1].difficulty = 1;
        bytes memory data = anchorOf(run);
        vm.expectPartialRevert(CliqueRun.SealRejected.selector);
        client.anchor(data);
    }

    function test_INV7_gapInTheRun() public {
        Header[] memory run = inTurn(keys, 140, 4);
        Header[] memory later = inTurn(keys, 144, 3);
        (run[1], run[2], run[3]) = (later[0], later[1], later[2]);
        bytes memory data = anchorOf(run);
        vm.expectPartialRevert(CliqueRun.NotConsecutive.selector);
        client.anchor(data);
    }

    function test_INV7_timeRunsBack() public {
        Header[] memory run = inTurn(keys, 140, 4);
        run[2].timestamp -= 2;
        bytes memory data = anchorOf(run);
        vm.expectPartialRevert(CliqueRun.TimestampBelow.selector);
        client.anchor(data);
    }

    function test_INV7_epochBlockVotes() public {
        Header[] memory run = inTurn(keys, 200, 4);
        (run[0].listed, run[0].candidate) = (set, vm.addr(all[4]));
        bytes memory data = anchorOf(run);
        vm.expectPartialRevert(CliqueRun.EpochBlockVotes.selector);
        client.anchor(data);
    }

    function test_INV7_epochBlockListsOthers() public {
        Header[] memory run = inTurn(keys, 200, 4);
        run[0].listed = set;
        client.anchor(anchorOf(run));
        run = inTurn(keys, 300, 4);
        run[0].listed = addresses(all);
        bytes memory data = anchorOf(run);
        vm.expectPartialRevert(CliqueRun.SealRejected.selector);
        client.anchor(data);
    }

    function test_INV7_headerFromTheFuture() public {
        Header[] memory run = inTurn(keys, 140, 4);
        for (uint256 i = 0; i < 4; ++i) {
            run[i].timestamp = uint64(NOW + 31);
        }
        bytes memory data = anchorOf(run);
        vm.expectPartialRevert(LightClient.TimestampInFuture.selector);
        client.anchor(data);
    }

    function test_INV7_selfDeclaredSet() public {
        Header[] memory run = inTurn(all, 140, 4);
        bytes memory data = bytes.concat(wireSet(addresses(all)), wireRun(run, addresses(all)));
        vm.expectPartialRevert(CliqueLightClient.NotTrustedSet.selector);
        client.anchor(data);
    }

    // --- a set that changes

    function test_INV7_votesOfMoreThanHalf() public {
        client.update(voted(3, 3));
        (bytes32 trusted, uint64 height,,) = client.trustedState();
        assertEq(trusted, keccak256(packed(addresses(all))));
        assertEq(height, 142);
    }

    /// @dev Two of four agree. The headers behind are sealed by five as if that were enough.
    function test_INV7_votesOfHalf() public {
        bytes memory data = voted(2, 4);
        vm.expectRevert();
        client.update(data);
    }

    /// @dev Only what stands behind the vote that decides is under the new set.
    function test_INV7_changeTooLate() public {
        bytes memory data = voted(3, 2);
        vm.expectRevert();
        client.update(data);
    }

    /// @dev A signer that votes twice has one vote.
    function test_INV7_votesOfOneTwice() public {
        Header[] memory run = inTurn(keys, 140, 9);
        address[][] memory sets = new address[][](9);
        for (uint256 i = 0; i < 9; ++i) {
            sets[i] = set;
            // 140, 141 and 144: the first signer twice.
            if (i == 0 || i == 1 || i == 4) (run[i].candidate, run[i].adds) = (vm.addr(all[4]), true);
        }
        client.update(updateOf(run, sets));
        (bytes32 trusted,,,) = client.trustedState();
        assertEq(trusted, keccak256(packed(set)));
    }

    function test_INV7_epochBlockOfAMinority() public {
        // One of the trusted ones, and strangers, build on a list of theirs.
        uint256[] memory others = new uint256[](3);
        (others[0], others[1], others[2]) = (keys[0], uint256(keccak256("x")), uint256(keccak256("y")));
        _sort(others);
        Header[] memory run = inTurn(others, 200, 5);
        run[0].listed = addresses(others);
        bytes memory data =
            bytes.concat(wireSet(set), hex"01", wireSet(addresses(others)), hex"05", wireRun(run, addresses(others)));
        vm.expectPartialRevert(CliqueLightClient.MajorityNotReached.selector);
        client.update(data);
    }

    function test_INV7_epochBlockOfAMajority() public {
        Header[] memory run = inTurn(all, 200, 6);
        run[0].listed = addresses(all);
        client.update(
            bytes.concat(wireSet(set), hex"01", wireSet(addresses(all)), hex"06", wireRun(run, addresses(all)))
        );
        (bytes32 trusted,,,) = client.trustedState();
        assertEq(trusted, keccak256(packed(addresses(all))));
    }

    /// @dev A block that is no epoch block lists nobody, so a set that is given for it is made up.
    function test_INV7_noEpochBlock() public {
        Header[] memory run = inTurn(all, 201, 6);
        bytes memory data =
            bytes.concat(wireSet(set), hex"01", wireSet(addresses(all)), hex"06", wireRun(run, addresses(all)));
        vm.expectPartialRevert(CliqueLightClient.NoEpochBlock.selector);
        client.update(data);
    }

    function test_heightMustRise() public {
        address[][] memory sets = _same(4);
        bytes memory data = updateOf(inTurn(keys, HEIGHT, 4), sets);
        vm.expectPartialRevert(LightClient.HeightNotAbove.selector);
        client.update(data);
        client.update(updateOf(inTurn(keys, HEIGHT + 1, 4), sets));
    }

    // --- misbehaviour

    function test_INV7_twoBranchesFreeze() public {
        Header[] memory one = inTurn(keys, 140, 4);
        Header[] memory two = inTurn(keys, 140, 4);
        two[0].stateRoot = keccak256("another");
        client.freeze(bytes.concat(wireSet(set), wireRun(one, set), wireRun(two, set)));
        (,,, bool frozen) = client.trustedState();
        assertTrue(frozen, "not frozen");
    }

    function test_oneBlockTwiceFreezesNothing() public {
        Header[] memory run = inTurn(keys, 140, 4);
        bytes memory sent = wireRun(run, set);
        vm.expectPartialRevert(CliqueLightClient.NoMisbehaviour.selector);
        client.freeze(bytes.concat(wireSet(set), sent, sent));
    }

    // --- inside

    function anchorOf(Header[] memory run) internal view returns (bytes memory) {
        return bytes.concat(wireSet(set), wireRun(run, set));
    }

    function updateOf(Header[] memory run, address[][] memory sets) internal view returns (bytes memory) {
        return bytes.concat(wireSet(set), hex"00", bytes1(uint8(run.length)), wireRun(run, sets));
    }

    /// @dev An update in which the first `voters` of four vote for the fifth, and `behind` headers of all five follow.
    function voted(uint256 voters, uint256 behind) internal view returns (bytes memory) {
        Header[] memory votes = inTurn(keys, 140, voters);
        Header[] memory rest = inTurn(all, 140 + uint64(voters), behind);
        Header[] memory run = new Header[](voters + behind);
        address[][] memory sets = new address[][](run.length);
        for (uint256 i = 0; i < run.length; ++i) {
            bool before = i < voters;
            run[i] = before ? votes[i] : rest[i - voters];
            run[i].timestamp = uint64(NOW - 500 + i);
            sets[i] = before ? set : addresses(all);
            if (before) (run[i].candidate, run[i].adds) = (vm.addr(all[4]), true);
        }
        return updateOf(run, sets);
    }

    function _same(uint256 count) private view returns (address[][] memory sets) {
        sets = new address[][](count);
        for (uint256 i = 0; i < count; ++i) {
            sets[i] = set;
        }
    }

    function _sort(uint256[] memory some) private pure {
        for (uint256 i = 1; i < some.length; ++i) {
            for (uint256 j = i; j > 0 && vm.addr(some[j - 1]) > vm.addr(some[j]); --j) {
                (some[j - 1], some[j]) = (some[j], some[j - 1]);
            }
        }
    }
}
