// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {InteroperableAddress} from "@openzeppelin/contracts/utils/draft-InteroperableAddress.sol";
import {EvmAddress} from "../src/libraries/EvmAddress.sol";
import {Test} from "./support/Test.sol";

/// @title Our addresses of eip155 chains are those of OpenZeppelin's InteroperableAddress.
contract OpenZeppelinAddressTest is Test {
    function testFuzz_writes_the_same(uint256 chainId, uint256 shift, address account) public pure {
        chainId >>= shift % 257;
        assertEq(EvmAddress.write(chainId, account), InteroperableAddress.formatEvmV1(chainId, account));
        // A chain's part has no length of an address behind it.
        assertEq(bytes.concat(EvmAddress.chainPart(chainId), hex"00"), InteroperableAddress.formatEvmV1(chainId));
    }

    function testFuzz_reads_the_same(uint256 chainId, uint256 shift, address account) public view {
        chainId >>= shift % 256;
        if (chainId == 0) chainId = 1;
        (bool valid, uint256 foundChain, address foundAccount) =
            this.read(InteroperableAddress.formatEvmV1(chainId, account));
        assertEq(valid, true);
        assertEq(foundChain, chainId);
        assertEq(foundAccount, account);
    }

    function test_what_is_not_canonical_is_not_read() public view {
        bytes memory good = EvmAddress.write(7, address(this));
        _refused(bytes.concat(good, hex"00"));
        _refused(EvmAddress.write(0, address(this)));
        _refused(abi.encodePacked(hex"00010001", uint8(1), uint8(7), uint8(20), address(this)));
        _refused(abi.encodePacked(hex"00010000", uint8(2), uint16(7), uint8(20), address(this)));
        _refused("");
    }

    function read(bytes calldata interoperable) external pure returns (bool, uint256, address) {
        return EvmAddress.read(interoperable);
    }

    function _refused(bytes memory interoperable) private view {
        (bool valid,,) = this.read(interoperable);
        assertEq(valid, false);
    }
}
