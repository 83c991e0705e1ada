// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title The forge cheatcodes that Postroad's tests use, and no others.
/// @notice Declared here because no official package of forge's own test library can be had from npm.
interface Vm {
    enum CallerMode {
        None,
        Broadcast,
        RecurrentBroadcast,
        Prank,
        RecurrentPrank
    }

    struct Log {
        bytes32[] topics;
        bytes data;
        address emitter;
    }

    /// @notice Gas of the last call as forge measured it.
    struct Gas {
        uint64 gasLimit;
        uint64 gasTotalUsed;
        uint64 gasMemoryUsed;
        int64 gasRefunded;
        uint64 gasRemaining;
    }

    struct Wallet {
        address addr;
        uint256 publicKeyX;
        uint256 publicKeyY;
        uint256 privateKey;
    }

    // The world that the code sees
    function warp(uint256 timestamp) external;
    function roll(uint256 number) external;
    function chainId(uint256 id) external;
    function deal(address account, uint256 balance) external;
    function etch(address account, bytes calldata code) external;
    function load(address account, bytes32 slot) external view returns (bytes32);
    function store(address account, bytes32 slot, bytes32 value) external;
    function cool(address account) external;
    function coolSlot(address account, bytes32 slot) external;
    function warmSlot(address account, bytes32 slot) external;
    function setNonce(address account, uint64 nonce) external;
    function getNonce(address account) external view returns (uint64);
    function deployCode(string calldata file) external returns (address);
    function computeCreateAddress(address deployer, uint256 nonce) external pure returns (address);
    function snapshotState() external returns (uint256 id);
    function revertToState(uint256 id) external returns (bool);
    function revertToStateAndDelete(uint256 id) external returns (bool);

    // Who calls
    function prank(address caller) external;
    function startPrank(address caller) external;
    function stopPrank() external;

    // What must come
    function expectRevert() external;
    function expectRevert(bytes4 selector) external;
    function expectRevert(bytes calldata data) external;
    function expectPartialRevert(bytes4 selector) external;
    function expectEmit() external;
    function expectEmit(address emitter) external;
    function expectEmit(bool topic1, bool topic2, bool topic3, bool data) external;
    function expectEmit(bool topic1, bool topic2, bool topic3, bool data, address emitter) external;
    function expectCall(address callee, bytes calldata data) external;
    function expectCall(address callee, bytes calldata data, uint64 count) external;

    // What an account answers
    function mockCall(address callee, bytes calldata data, bytes calldata answer) external;
    function mockCallRevert(address callee, bytes calldata data, bytes calldata answer) external;
    function clearMockedCalls() external;

    // What happened
    function recordLogs() external;
    function getRecordedLogs() external returns (Log[] memory);
    function record() external;
    function accesses(address account) external returns (bytes32[] memory reads, bytes32[] memory writes);
    function lastCallGas() external view returns (Gas memory);
    function snapshotGasLastCall(string calldata group, string calldata name) external returns (uint256 gas);
    function snapshotValue(string calldata group, string calldata name, uint256 value) external;
    function startSnapshotGas(string calldata group, string calldata name) external;
    function stopSnapshotGas() external returns (uint256 gas);
    function pauseGasMetering() external;
    function resumeGasMetering() external;

    // Keys
    function addr(uint256 privateKey) external pure returns (address);
    function sign(uint256 privateKey, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
    function signCompact(uint256 privateKey, bytes32 digest) external pure returns (bytes32 r, bytes32 vs);
    function label(address account, string calldata name) external;

    // Fuzzing and running
    function assume(bool condition) external pure;
    function skip(bool condition) external;
    function skip(bool condition, string calldata reason) external;
    function randomUint() external view returns (uint256);
    function envOr(string calldata name, uint256 otherwise) external view returns (uint256);
    function envOr(string calldata name, string calldata otherwise) external view returns (string memory);

    // Files and JSON
    function projectRoot() external view returns (string memory);
    function readFile(string calldata path) external view returns (string memory);
    function readFileBinary(string calldata path) external view returns (bytes memory);
    function readLine(string calldata path) external view returns (string memory);
    function exists(string calldata path) external view returns (bool);
    function keyExistsJson(string calldata json, string calldata key) external view returns (bool);
    function parseJson(string calldata json, string calldata key) external pure returns (bytes memory);
    function parseJsonUint(string calldata json, string calldata key) external pure returns (uint256);
    function parseJsonUintArray(string calldata json, string calldata key) external pure returns (uint256[] memory);
    function parseJsonBool(string calldata json, string calldata key) external pure returns (bool);
    function parseJsonString(string calldata json, string calldata key) external pure returns (string memory);
    function parseJsonStringArray(string calldata json, string calldata key) external pure returns (string[] memory);
    function parseJsonBytes(string calldata json, string calldata key) external pure returns (bytes memory);
    function parseJsonBytesArray(string calldata json, string calldata key) external pure returns (bytes[] memory);
    function parseJsonBytes32(string calldata json, string calldata key) external pure returns (bytes32);
    function parseJsonAddress(string calldata json, string calldata key) external pure returns (address);
    function parseJsonAddressArray(string calldata json, string calldata key) external pure returns (address[] memory);

    // Text
    function toString(uint256 value) external pure returns (string memory);
    function toString(int256 value) external pure returns (string memory);
    function toString(address value) external pure returns (string memory);
    function toString(bytes32 value) external pure returns (string memory);
    function toString(bytes calldata value) external pure returns (string memory);
    function toString(bool value) external pure returns (string memory);

    // Assertions
    function assertTrue(bool condition, string calldata why) external pure;
    function assertFalse(bool condition, string calldata why) external pure;
    function assertEq(bool found, bool expected, string calldata why) external pure;
    function assertEq(uint256 found, uint256 expected, string calldata why) external pure;
    function assertEq(int256 found, int256 expected, string calldata why) external pure;
    function assertEq(address found, address expected, string calldata why) external pure;
    function assertEq(bytes32 found, bytes32 expected, string calldata why) external pure;
    function assertEq(bytes calldata found, bytes calldata expected, string calldata why) external pure;
    function assertEq(string calldata found, string calldata expected, string calldata why) external pure;
    function assertEq(uint256[] calldata found, uint256[] calldata expected, string calldata why) external pure;
    function assertEq(bytes32[] calldata found, bytes32[] calldata expected, string calldata why) external pure;
    function assertNotEq(uint256 found, uint256 other, string calldata why) external pure;
    function assertNotEq(bytes32 found, bytes32 other, string calldata why) external pure;
    function assertNotEq(address found, address other, string calldata why) external pure;
    function assertNotEq(bytes calldata found, bytes calldata other, string calldata why) external pure;
    function assertLt(uint256 found, uint256 bound, string calldata why) external pure;
    function assertLe(uint256 found, uint256 bound, string calldata why) external pure;
    function assertGt(uint256 found, uint256 bound, string calldata why) external pure;
    function assertGe(uint256 found, uint256 bound, string calldata why) external pure;
}
