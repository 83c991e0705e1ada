// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC7786GatewaySource, IERC7786Recipient} from "@openzeppelin/contracts/interfaces/draft-IERC7786.sol";
import {IInbox} from "../../src/interfaces/IInbox.sol";

/// @title A recipient that remembers what came, and how often.
contract Recorder is IERC7786Recipient {
    struct Received {
        bytes32 id;
        bytes sender;
        bytes payload;
        uint256 gasAtEntry;
        address caller;
    }

    Received[] private _received;
    mapping(bytes32 id => uint256) public times;
    bool public failing;

    function receiveMessage(bytes32 id, bytes calldata sender, bytes calldata payload)
        external
        payable
        virtual
        returns (bytes4)
    {
        uint256 gas = gasleft();
        _received.push(Received(id, sender, payload, gas, msg.sender));
        ++times[id];
        require(!failing, "failing");
        return IERC7786Recipient.receiveMessage.selector;
    }

    function setFailing(bool failing_) external {
        failing = failing_;
    }

    function count() external view returns (uint256) {
        return _received.length;
    }

    function received(uint256 index) external view returns (Received memory) {
        return _received[index];
    }
}

/// @title A recipient that burns its gas down to a given rest, then accepts: it fails when it got less than it was promised.
contract Burner is IERC7786Recipient {
    uint256 public gasAtEntry;

    function receiveMessage(bytes32, bytes calldata, bytes calldata payload) external payable returns (bytes4) {
        uint256 gas = gasleft();
        uint256 toBurn = abi.decode(payload, (uint256));
        gasAtEntry = gas;
        while (gas - gasleft() < toBurn) {}
        return IERC7786Recipient.receiveMessage.selector;
    }
}

/// @title What a hostile recipient can do, chosen by the first word of the payload.
contract Hostile {
    enum Way {
        Revert,
        RevertLong,
        RevertEmpty,
        BurnAll,
        Invalid,
        ReturnBomb,
        RevertBomb,
        WrongSelector,
        ShortReturn,
        NoReturn,
        DirtySelector,
        /// Reverts with bytes that look like the frame's own lack of gas.
        FakeStarvation,
        /// Reverts with what an honest recipient returns.
        RevertWithSelector
    }

    error Refused(uint256 why);

    uint256 public touched;

    fallback() external {
        (,, bytes memory payload) = abi.decode(msg.data[4:], (bytes32, bytes, bytes));
        Way way = abi.decode(payload, (Way));
        ++touched;
        if (way == Way.Revert) revert Refused(7);
        if (way == Way.RevertLong) {
            revert("a reason that is much longer than the thirty-two bytes that are kept of it");
        }
        if (way == Way.BurnAll) while (true) {}
        if (way == Way.FakeStarvation) revert IInbox.InsufficientGas(1, 2);
        bytes4 right = IERC7786Recipient.receiveMessage.selector;
        assembly ("memory-safe") {
            switch way
            case 2 { revert(0, 0) }
            case 4 { invalid() }
            case 5 { return(0, 200000) }
            case 6 { revert(0, 200000) }
            case 7 {
                mstore(0, shl(224, 0xdeadbeef))
                return(0, 32)
            }
            case 8 {
                mstore(0, right)
                return(0, 31)
            }
            case 10 {
                mstore(0, or(right, 1))
                return(0, 32)
            }
            case 12 {
                mstore(0, right)
                revert(0, 32)
            }
            default { return(0, 0) }
        }
    }
}

/// @title A recipient that tries to deliver from within: the payload is the call's data to make, its failure is kept.
contract Reentrant is IERC7786Recipient {
    bytes public answer;
    bool public succeeded;

    function receiveMessage(bytes32, bytes calldata, bytes calldata payload) external payable returns (bytes4) {
        (succeeded, answer) = msg.sender.call(payload);
        return IERC7786Recipient.receiveMessage.selector;
    }
}

/// @title A recipient that answers each message with one of its own.
contract Replier is IERC7786Recipient {
    bytes32 public lastId;

    function receiveMessage(bytes32, bytes calldata sender, bytes calldata payload) external payable returns (bytes4) {
        lastId = IERC7786GatewaySource(msg.sender).sendMessage(sender, payload, new bytes[](0));
        return IERC7786Recipient.receiveMessage.selector;
    }
}
