// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ILightClient} from "../../src/interfaces/ILightClient.sol";

/// @title A light client that believes what a test tells it, for tests of the gateway alone.
/// @notice The real client proves the same seam in test/light_clients (headers, seals, tries), in test/OpenZeppelinBridge.t.sol
/// and in the Python end-to-end tests, where a gateway of one chain is proven to a gateway of another.
contract FakeLightClient is ILightClient {
    mapping(address account => mapping(bytes32 slot => bytes32 value)) private _words;
    Status public status;
    uint64 private _height;

    /// @dev How the client behaves when asked: 0 answers, 1 reverts, 2 burns all gas, 3 answers with 100,000 zeros, 4 with the
    /// right word and nothing after it.
    uint256 private _mood;

    function set(address account, bytes32 slot, bytes32 value) external {
        _words[account][slot] = value;
        ++_height;
    }

    function setStatus(Status status_) external {
        status = status_;
    }

    function setMood(uint256 mood) external {
        _mood = mood;
    }

    function storageAt(bytes calldata, address account, bytes32 slot) external view returns (bytes32, uint64, uint64) {
        if (status != Status.Active) revert NotActive(status);
        if (_mood == 1) revert("hostile");
        if (_mood == 2) while (true) {}
        if (_mood == 3) {
            assembly ("memory-safe") {
                return(0x00, 100000)
            }
        }
        if (_mood == 4) {
            bytes32 word = _words[account][slot];
            assembly ("memory-safe") {
                mstore(0x00, word)
                return(0x00, 0x40)
            }
        }
        return (_words[account][slot], _height, uint64(block.timestamp));
    }

    function update(bytes calldata) external {}
    function anchor(bytes calldata) external {}
    function freeze(bytes calldata) external {}
}
