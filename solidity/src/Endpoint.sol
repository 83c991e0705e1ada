// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IGateway} from "./interfaces/IGateway.sol";
import {EvmAddress} from "./libraries/EvmAddress.sol";

/// @title Who this endpoint is: what the sending and the receiving half both need to name a lane.
abstract contract Endpoint is AccessManaged, IGateway {
    /// @inheritdoc IGateway
    bytes32 public immutable endpointId;
    /// @inheritdoc IGateway
    bytes32 public immutable genesisHash;

    /// @dev This chain's part of an ERC-7930 address, from the left, and how many bytes it has: at most 13, because chain
    /// ids are below 2^64 (EIP-2294).
    bytes32 internal immutable _ownChain;
    uint256 internal immutable _ownChainLength;

    constructor(bytes32 genesisHash_) {
        if (genesisHash_ == 0) revert GenesisHashMissing();
        if (block.chainid == 0 || block.chainid > type(uint64).max) revert UnsupportedChainId(block.chainid);
        bytes memory chain = EvmAddress.chainPart(block.chainid);
        _ownChain = bytes32(chain);
        _ownChainLength = chain.length;
        genesisHash = genesisHash_;
        endpointId = keccak256(abi.encode(EvmAddress.write(block.chainid, address(this)), genesisHash_));
    }
}
