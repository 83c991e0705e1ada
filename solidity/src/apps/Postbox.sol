// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ERC7786Recipient} from "@openzeppelin/contracts/crosschain/ERC7786Recipient.sol";

/// @title The smallest useful recipient: it keeps what arrives in its log.
/// @notice Anyone on any joined chain can write to it; who wrote is in the event. An application that acts on messages must
/// check the sender: PostroadRecipient does.
contract Postbox is ERC7786Recipient {
    address public immutable gateway;

    event Received(bytes32 indexed receiveId, bytes sender, bytes payload);

    constructor(address gateway_) {
        // Without a gateway it receives nothing, and holds nothing that could be lost.
        // slither-disable-next-line missing-zero-check
        gateway = gateway_;
    }

    function _isAuthorizedGateway(address gateway_, bytes calldata) internal view override returns (bool) {
        return gateway_ == gateway;
    }

    function _processMessage(address, bytes32 receiveId, bytes calldata sender, bytes calldata payload)
        internal
        override
    {
        emit Received(receiveId, sender, payload);
    }
}
