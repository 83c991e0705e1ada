// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC7786GatewaySource} from "@openzeppelin/contracts/interfaces/draft-IERC7786.sol";

/// @title Sends many messages in one transaction, for load tests. The sender that recipients see is this contract.
contract Multisender {
    IERC7786GatewaySource public immutable gateway;

    constructor(IERC7786GatewaySource gateway_) {
        gateway = gateway_;
    }

    /// @notice Sends one message for each payload.
    function sendAll(bytes calldata recipient, bytes[] calldata payloads, bytes[] calldata attributes)
        external
        returns (bytes32[] memory ids)
    {
        ids = new bytes32[](payloads.length);
        for (uint256 i = 0; i < payloads.length; ++i) {
            // Sending many in one transaction is the purpose; the gateway calls nobody.
            // slither-disable-next-line calls-loop
            ids[i] = gateway.sendMessage(recipient, payloads[i], attributes);
        }
    }

    /// @notice Sends `count` messages of one word each: `seed`, `seed` + 1 and so on, so that every payload differs.
    function sendCounted(bytes calldata recipient, uint256 count, uint256 seed, bytes[] calldata attributes)
        external
        returns (bytes32 lastId)
    {
        for (uint256 i = 0; i < count; ++i) {
            // slither-disable-next-line calls-loop
            lastId = gateway.sendMessage(recipient, abi.encode(seed + i), attributes);
        }
    }
}
