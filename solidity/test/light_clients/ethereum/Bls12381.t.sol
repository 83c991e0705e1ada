// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Bls12381} from "../../../src/light_clients/ethereum/Bls12381.sol";
import {Test} from "../../support/Test.sol";
import {BlsKeys} from "./support/BlsKeys.sol";
import {HashToCurveHarness} from "./support/HashToCurveHarness.sol";

/// @title Hashing to G2: points of another implementation (py_ecc), and the reduction against the modexp precompile.
/// forge-config: default.evm_version = "prague"
contract Bls12381Test is Test {
    bytes internal constant PRIME =
        hex"1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab";
    uint256 internal constant HIGH = 0x1a0111ea397fe69a4b1ba7b6434bacd7;
    uint256 internal constant LOW = 0x64774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab;

    HashToCurveHarness internal harness;

    function setUp() public {
        harness = HashToCurveHarness(deployed("HashToCurveHarness"));
    }

    function test_hashToG2() public view {
        assertEq(
            BlsKeys.unpad(harness.hashToG2(0)),
            hex"076e5cd6cfb3c361fc767e5f40ce05486e1668825ffeecab89d7daa455a179736a387ae93b9b15d283d45ffa14cd4af717502412bcfc3f1d88b71f1ad9b60fa37c332d19466fba1dc991d42bcd09bcd9f1c22a562646ffce0922793b6c69938b06740fd1dd8669dd6938f89bb6f45fe88d98e2ddb5a3938af14b6384ca8f09ef57c612076236638f9ff93fc2f77824a00b5870882f02ad57dac847d25b00412a74c4d16c004e9ae3801e85c3785d497dda79e2c68c6aaf77a165640cb4399237"
        );
        assertEq(
            BlsKeys.unpad(harness.hashToG2(bytes32(type(uint256).max))),
            hex"10fb7e37155c4c636b3ba08bbccf876fdc76865107396eb7c47e9b7379a5398e47b94ec4f354085295030b6e6d47352400af3443ffbeac150d95be71508608b6825348d33698a016836d58b669cf3dfdf011e5493df23f42e286be35368553e1137043c0820ab6016ccaadc4d0c1d738dc01a50ee53560308d3fc6c600f045b5b28bda87d8dd69aceaee495b4758ef980511559e72b4b4d22f3319ad70a193f1585f608a29e780d5d86a232150a5cf4d6612271ca5af011065b5cf5421ae9a22"
        );
    }

    /// @dev In the subgroup, and another one for another message: a pairing takes nothing else.
    function testFuzz_hashToG2(bytes32 message, bytes32 other) public view {
        bytes memory point = harness.hashToG2(message);
        (bool done,) = address(0x0f).staticcall(bytes.concat(BlsKeys.pad(BlsKeys.GENERATOR), point));
        assertTrue(done);
        if (message != other) assertNotEq(point, harness.hashToG2(other));
    }

    /// forge-config: default.fuzz.runs = 2000
    function testFuzz_reduce(uint256 high, uint256 low) public view {
        _checkReduce(high, low);
    }

    /// @dev At multiples of the prime, where a quotient can be one too small: q · p + less than 3, and - 1.
    /// forge-config: default.fuzz.runs = 2000
    function testFuzz_reduce_atMultiples(uint256 quotient, uint256 offset) public view {
        quotient >>= 125;
        uint256 product = mulmod(quotient, LOW, type(uint256).max);
        uint256 low;
        uint256 high;
        unchecked {
            low = quotient * LOW;
            high = product - low - (product < low ? 1 : 0) + quotient * HIGH;
            uint256 before = low;
            low += offset % 4;
            if (low < before) ++high;
            if (offset % 4 == 3) {
                (low, high) = (before - 1, before == 0 ? high - 1 : high);
            }
        }
        _checkReduce(high, low);
    }

    function test_reduce_edges() public view {
        uint256 max = type(uint256).max;
        _checkReduce(0, 0);
        _checkReduce(HIGH, LOW);
        _checkReduce(HIGH, LOW - 1);
        _checkReduce(HIGH, LOW + 1);
        _checkReduce(2 * HIGH, LOW << 1);
        _checkReduce(max, max);
        _checkReduce(max, 0);
        _checkReduce(0, max);
    }

    /// @dev A precompile that fails later than at deployment is noticed each time.
    function test_precompileFails() public {
        uint160[2] memory needed = [uint160(0x0d), 0x11];
        for (uint256 i = 0; i < 2; ++i) {
            bytes memory reason = abi.encodeWithSelector(Bls12381.PrecompileFailed.selector, needed[i]);
            vm.mockCall(address(needed[i]), "", "");
            vm.expectRevert(reason);
            harness.hashToG2(0);
            vm.mockCallRevert(address(needed[i]), "", "");
            vm.expectRevert(reason);
            harness.hashToG2(0);
            vm.clearMockedCalls();
        }
    }

    function _checkReduce(uint256 high, uint256 low) private view {
        (bool done, bytes memory expected) =
            address(5).staticcall(abi.encodePacked(uint256(64), uint256(1), uint256(48), high, low, uint8(1), PRIME));
        assertTrue(done);
        (uint256 foundHigh, uint256 foundLow) = harness.reduce(high, low);
        assertEq(abi.encodePacked(uint128(foundHigh), foundLow), expected);
        assertEq(foundHigh >> 128, 0);
    }
}
