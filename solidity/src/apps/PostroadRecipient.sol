// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {ERC7786Recipient} from "@openzeppelin/contracts/crosschain/ERC7786Recipient.sol";
import {IERC7786GatewaySource} from "@openzeppelin/contracts/interfaces/draft-IERC7786.sol";
import {EvmAddress} from "../libraries/EvmAddress.sol";

/// @title The base of applications on EVM chains: who wrote is checked, and told as a chain id and an address.
/// @notice What it adds to OpenZeppelin's ERC7786Recipient: one gateway, a list of trusted senders (a gateway delivers from
/// anyone), senders read for you, and sending with a gas limit and a deadline. Override `_receive`; revert in it to refuse a
/// message, which then can be delivered again until its deadline.
abstract contract PostroadRecipient is ERC7786Recipient {
    IERC7786GatewaySource public immutable gateway;

    mapping(uint256 chainId => mapping(address sender => bool)) private _trusted;

    event SenderTrusted(uint256 indexed chainId, address indexed sender, bool trusted);

    error GatewayMissing();

    constructor(IERC7786GatewaySource gateway_) {
        if (address(gateway_).code.length == 0) revert GatewayMissing();
        gateway = gateway_;
    }

    function isTrusted(uint256 chainId, address sender) public view returns (bool) {
        return _trusted[chainId][sender];
    }

    /// @notice Acts on a message of a trusted sender.
    /// @param id The message's id on both chains; it comes once.
    function _receive(bytes32 id, uint256 chainId, address sender, bytes calldata payload) internal virtual;

    /// @dev Put a function with your own access control before it.
    function _trust(uint256 chainId, address sender, bool trusted) internal {
        _trusted[chainId][sender] = trusted;
        emit SenderTrusted(chainId, sender, trusted);
    }

    /// @notice Sends with the lane's default gas limit and no deadline.
    function _send(uint256 chainId, address recipient, bytes memory payload) internal returns (bytes32 id) {
        return gateway.sendMessage(EvmAddress.write(chainId, recipient), payload, new bytes[](0));
    }

    /// @notice Sends.
    /// @param gasLimit What the recipient gets at least.
    /// @param deadline The last second of the destination's clock at which it is delivered; 0 = never too late.
    function _send(uint256 chainId, address recipient, bytes memory payload, uint256 gasLimit, uint64 deadline)
        internal
        returns (bytes32 id)
    {
        bytes[] memory attributes = new bytes[](2);
        attributes[0] = abi.encodeWithSignature("minGasLimit(uint256)", gasLimit);
        attributes[1] = abi.encodeWithSignature("deadline(uint64)", deadline);
        return gateway.sendMessage(EvmAddress.write(chainId, recipient), payload, attributes);
    }

    /// @inheritdoc ERC7786Recipient
    function _isAuthorizedGateway(address instance, bytes calldata sender) internal view override returns (bool) {
        (bool valid, uint256 chainId, address account) = EvmAddress.read(sender);
        return valid && instance == address(gateway) && _trusted[chainId][account];
    }

    /// @inheritdoc ERC7786Recipient
    function _processMessage(address, bytes32 receiveId, bytes calldata sender, bytes calldata payload)
        internal
        override
    {
        // Read and found valid before, by _isAuthorizedGateway.
        // slither-disable-next-line unused-return
        (, uint256 chainId, address account) = EvmAddress.read(sender);
        _receive(receiveId, chainId, account, payload);
    }
}
