// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Vm} from "./Vm.sol";

/// @title What every test contract starts from: the cheatcodes, assertions, and hints for forge's invariant runner.
/// @notice Assertions take (found, expected); the reason is optional.
abstract contract Test {
    /// @notice A contract and the functions of it that the invariant runner may call.
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    address[] private _targets;
    FuzzSelector[] private _selectors;

    function targetContracts() public view returns (address[] memory) {
        return _targets;
    }

    function targetSelectors() public view returns (FuzzSelector[] memory) {
        return _selectors;
    }

    function targetContract(address target) internal {
        _targets.push(target);
    }

    function targetSelector(FuzzSelector memory selector) internal {
        _selectors.push(selector);
    }

    /// @notice A new contract of test/**/support/, by its name, compiled as what ships is. `new` would compile its code once more,
    /// as that of the test: unoptimized, and of other gas. For harnesses around a library, and recipients whose gas is measured.
    function deployed(string memory name) internal returns (address) {
        return vm.deployCode(name);
    }

    /// @notice An address with a label in traces.
    function makeAddr(string memory name) internal returns (address account) {
        (account,) = makeAddrAndKey(name);
    }

    function makeAddrAndKey(string memory name) internal returns (address account, uint256 key) {
        key = uint256(keccak256(bytes(name)));
        account = vm.addr(key);
        vm.label(account, name);
    }

    /// @notice Wraps x into least..most, both included, so that the edges come up often.
    function bound(uint256 x, uint256 least, uint256 most) internal pure returns (uint256) {
        require(least <= most, "bound: least > most");
        if (x >= least && x <= most) return x;
        uint256 size = most - least;
        if (size == type(uint256).max) return x;
        if (x <= 3 && size > x) return least + x;
        if (x >= type(uint256).max - 3 && size > type(uint256).max - x) return most - (type(uint256).max - x);
        return least + x % (size + 1);
    }

    function assertTrue(bool condition) internal pure {
        vm.assertTrue(condition, "");
    }

    function assertTrue(bool condition, string memory why) internal pure {
        vm.assertTrue(condition, why);
    }

    function assertFalse(bool condition) internal pure {
        vm.assertFalse(condition, "");
    }

    function assertFalse(bool condition, string memory why) internal pure {
        vm.assertFalse(condition, why);
    }

    function assertEq(bool found, bool expected) internal pure {
        vm.assertEq(found, expected, "");
    }

    function assertEq(bool found, bool expected, string memory why) internal pure {
        vm.assertEq(found, expected, why);
    }

    function assertEq(uint256 found, uint256 expected) internal pure {
        vm.assertEq(found, expected, "");
    }

    function assertEq(uint256 found, uint256 expected, string memory why) internal pure {
        vm.assertEq(found, expected, why);
    }

    function assertEq(int256 found, int256 expected) internal pure {
        vm.assertEq(found, expected, "");
    }

    function assertEq(int256 found, int256 expected, string memory why) internal pure {
        vm.assertEq(found, expected, why);
    }

    function assertEq(address found, address expected) internal pure {
        vm.assertEq(found, expected, "");
    }

    function assertEq(address found, address expected, string memory why) internal pure {
        vm.assertEq(found, expected, why);
    }

    function assertEq(bytes32 found, bytes32 expected) internal pure {
        vm.assertEq(found, expected, "");
    }

    function assertEq(bytes32 found, bytes32 expected, string memory why) internal pure {
        vm.assertEq(found, expected, why);
    }

    function assertEq(bytes memory found, bytes memory expected) internal pure {
        vm.assertEq(found, expected, "");
    }

    function assertEq(bytes memory found, bytes memory expected, string memory why) internal pure {
        vm.assertEq(found, expected, why);
    }

    function assertEq(string memory found, string memory expected) internal pure {
        vm.assertEq(found, expected, "");
    }

    function assertEq(string memory found, string memory expected, string memory why) internal pure {
        vm.assertEq(found, expected, why);
    }

    function assertEq(uint256[] memory found, uint256[] memory expected) internal pure {
        vm.assertEq(found, expected, "");
    }

    function assertEq(uint256[] memory found, uint256[] memory expected, string memory why) internal pure {
        vm.assertEq(found, expected, why);
    }

    function assertEq(bytes32[] memory found, bytes32[] memory expected) internal pure {
        vm.assertEq(found, expected, "");
    }

    function assertEq(bytes32[] memory found, bytes32[] memory expected, string memory why) internal pure {
        vm.assertEq(found, expected, why);
    }

    function assertNotEq(uint256 found, uint256 other) internal pure {
        vm.assertNotEq(found, other, "");
    }

    function assertNotEq(uint256 found, uint256 other, string memory why) internal pure {
        vm.assertNotEq(found, other, why);
    }

    function assertNotEq(bytes32 found, bytes32 other) internal pure {
        vm.assertNotEq(found, other, "");
    }

    function assertNotEq(bytes32 found, bytes32 other, string memory why) internal pure {
        vm.assertNotEq(found, other, why);
    }

    function assertNotEq(address found, address other) internal pure {
        vm.assertNotEq(found, other, "");
    }

    function assertNotEq(address found, address other, string memory why) internal pure {
        vm.assertNotEq(found, other, why);
    }

    function assertNotEq(bytes memory found, bytes memory other) internal pure {
        vm.assertNotEq(found, other, "");
    }

    function assertNotEq(bytes memory found, bytes memory other, string memory why) internal pure {
        vm.assertNotEq(found, other, why);
    }

    function assertLt(uint256 found, uint256 bound_) internal pure {
        vm.assertLt(found, bound_, "");
    }

    function assertLt(uint256 found, uint256 bound_, string memory why) internal pure {
        vm.assertLt(found, bound_, why);
    }

    function assertLe(uint256 found, uint256 bound_) internal pure {
        vm.assertLe(found, bound_, "");
    }

    function assertLe(uint256 found, uint256 bound_, string memory why) internal pure {
        vm.assertLe(found, bound_, why);
    }

    function assertGt(uint256 found, uint256 bound_) internal pure {
        vm.assertGt(found, bound_, "");
    }

    function assertGt(uint256 found, uint256 bound_, string memory why) internal pure {
        vm.assertGt(found, bound_, why);
    }

    function assertGe(uint256 found, uint256 bound_) internal pure {
        vm.assertGe(found, bound_, "");
    }

    function assertGe(uint256 found, uint256 bound_, string memory why) internal pure {
        vm.assertGe(found, bound_, why);
    }
}
