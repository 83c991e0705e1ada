// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title Stands in a contract's place, with its storage, and tries calls on it without keeping any effect.
/// @notice The contract's code is at `implementation`; each call begins in the same state.
contract Probe {
    /// @param trusted, anchored What `trustedState()` and `anchored()` return after the call.
    struct Outcome {
        bool accepted;
        bytes result;
        bytes trusted;
        bytes anchored;
    }

    /// @dev More than any call takes. A precompile that refuses its input burns all gas that it was given, and must leave
    /// enough for the calls after it.
    uint256 private constant GAS_PER_CALL = 1 << 26;

    function run(address implementation, bytes[] calldata calls) external returns (Outcome[] memory outcomes) {
        outcomes = new Outcome[](calls.length);
        for (uint256 i = 0; i < calls.length; ++i) {
            try this.attempt{gas: GAS_PER_CALL}(implementation, calls[i]) {
                assert(false);
            } catch (bytes memory outcome) {
                outcomes[i] = abi.decode(outcome, (Outcome));
            }
        }
    }

    /// @notice Reverts with the outcome, so that nothing stays of it.
    function attempt(address implementation, bytes calldata data) external {
        Outcome memory outcome;
        (outcome.accepted, outcome.result) = implementation.delegatecall(data);
        (, outcome.trusted) = implementation.delegatecall(abi.encodeWithSignature("trustedState()"));
        (, outcome.anchored) = implementation.delegatecall(abi.encodeWithSignature("anchored()"));
        bytes memory encoded = abi.encode(outcome);
        assembly ("memory-safe") {
            revert(add(encoded, 0x20), mload(encoded))
        }
    }
}
