// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ERC7786Recipient} from "@openzeppelin/contracts/crosschain/ERC7786Recipient.sol";

/// @title The cheapest recipient that leaves a trace, so that what it costs is what delivery costs.
/// @notice Gas figures are measured with it: it checks its gateway and emits one event.
contract Doorbell is ERC7786Recipient {
    address public immutable gateway;

    event Rang();

    constructor(address gateway_) {
        // Without a gateway it receives nothing, and holds nothing that could be lost.
        // slither-disable-next-line missing-zero-check
        gateway = gateway_;
    }

    function _isAuthorizedGateway(address gateway_, bytes calldata) internal view override returns (bool) {
        return gateway_ == gateway;
    }

    function _processMessage(address, bytes32, bytes calldata, bytes calldata) internal override {
        emit Rang();
    }
}
