// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Lock} from "@postroad/evm/Lock.sol";
import {Test} from "../support/Test.sol";

/// @title A contract behind a lock.
contract Room {
    constructor() {
        Lock.prepare();
    }

    function isTaken() external view returns (bool) {
        return Lock.isTaken();
    }

    /// @return taken While `action` ran, and after it.
    function enter(function() external action) external returns (bool[2] memory taken) {
        require(!Lock.isTaken(), "locked");
        Lock.take();
        action();
        taken[0] = Lock.isTaken();
        Lock.release();
        taken[1] = Lock.isTaken();
    }
}

/// @title The lock of the build that is tested.
contract LockTest is Test {
    Room private room = new Room();
    Room private neighbour = new Room();

    function test_it_is_taken_until_it_is_released() public {
        assertFalse(room.isTaken());
        for (uint256 i = 0; i < 2; ++i) {
            bool[2] memory taken = room.enter(this.looks);
            assertTrue(taken[0]);
            assertFalse(taken[1]);
        }
        assertFalse(room.isTaken());
    }

    function test_nobody_enters_twice() public {
        vm.expectRevert("locked");
        room.enter(this.enters);
    }

    function test_a_revert_leaves_it_open() public {
        (bool ok,) = address(room).call(abi.encodeCall(room.enter, (this.fails)));
        assertFalse(ok);
        assertFalse(room.isTaken());
    }

    function looks() external view {
        assertTrue(room.isTaken());
        assertFalse(neighbour.isTaken(), "a lock belongs to one contract");
    }

    function enters() external {
        room.enter(this.looks);
    }

    function fails() external pure {
        revert("no");
    }
}
