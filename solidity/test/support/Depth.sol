// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC7786Recipient} from "@openzeppelin/contracts/interfaces/draft-IERC7786.sol";

/// @title A recipient that books at the end of a row of nested calls, and never blocks its queue: it carries on without.
contract Swallower is IERC7786Recipient {
    uint256 public accepted;
    uint256 public booked;

    function receiveMessage(bytes32, bytes calldata, bytes calldata payload) external payable returns (bytes4) {
        ++accepted;
        try this.book(abi.decode(payload, (uint256)) - 1) {} catch {}
        return IERC7786Recipient.receiveMessage.selector;
    }

    function book(uint256 further) external {
        if (further == 0) ++booked;
        else this.book(further - 1);
    }
}

/// @title Calls a target from as deep in the call stack as asked for.
contract Diver {
    function dive(uint256 levels, address target, bytes calldata data) external returns (bytes memory) {
        (bool ok, bytes memory answer) =
            levels == 0 ? target.call(data) : address(this).call(abi.encodeCall(this.dive, (levels - 1, target, data)));
        if (!ok) {
            assembly ("memory-safe") {
                revert(add(answer, 0x20), mload(answer))
            }
        }
        return levels == 0 ? answer : abi.decode(answer, (bytes));
    }
}
