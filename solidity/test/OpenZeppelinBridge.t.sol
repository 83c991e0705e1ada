// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {CrosschainLinked} from "@openzeppelin/contracts/crosschain/CrosschainLinked.sol";
import {CrosschainRemoteExecutor} from "@openzeppelin/contracts/crosschain/CrosschainRemoteExecutor.sol";
import {BridgeERC20} from "@openzeppelin/contracts/crosschain/bridges/BridgeERC20.sol";
import {ERC20, IERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC7786GatewaySource} from "@openzeppelin/contracts/interfaces/draft-IERC7786.sol";
import {Gateway} from "../src/Gateway.sol";
import {IOutbox} from "../src/interfaces/IOutbox.sol";
import {Sent} from "./support/BatchEncoder.sol";
import {SealedPair} from "./support/SealedPair.sol";
import {Vm} from "./support/Vm.sol";

/// @title OpenZeppelin's bridge as it is; a contract only because BridgeERC20 is abstract.
contract TokenBridge is BridgeERC20 {
    constructor(IERC20 token_, CrosschainLinked.Link[] memory links) BridgeERC20(token_) CrosschainLinked(links) {}
}

contract Token is ERC20 {
    constructor(address holder) ERC20("Token", "TKN") {
        _mint(holder, 1_000 ether);
    }
}

/// @title The interface is right when contracts that know nothing of Postroad work over it: tokens go over and come back,
/// between two gateways joined by real light clients (QBFT one way, IBFT 2.0 the other), every head sealed and proven.
contract OpenZeppelinBridgeTest is SealedPair {
    Token internal tokenA;
    Token internal tokenB;
    TokenBridge internal bridgeA;
    TokenBridge internal bridgeB;
    address internal bob = makeAddr("bob");
    /// @dev The heads of both lanes as delivered so far.
    bytes32 internal headAtB;
    bytes32 internal headAtA;

    function setUp() public override {
        super.setUp();
        tokenA = new Token(alice);
        tokenB = new Token(address(this));
        address willBeB = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 1);
        vm.chainId(CHAIN_A);
        bridgeA = new TokenBridge(tokenA, _link(address(a), interoperable(CHAIN_B, willBeB)));
        vm.chainId(CHAIN_B);
        bridgeB = new TokenBridge(tokenB, _link(address(b), interoperable(CHAIN_A, address(bridgeA))));
        assertEq(address(bridgeB), willBeB);
        // What can be unlocked on B.
        tokenB.transfer(address(bridgeB), 500 ether);
    }

    function test_tokens_go_over_and_come_back() public {
        vm.chainId(CHAIN_A);
        vm.startPrank(alice);
        tokenA.approve(address(bridgeA), 100 ether);
        (bytes32 id, Sent memory over) = _transfer(a, bridgeA, interoperable(CHAIN_B, bob), 100 ether);
        vm.stopPrank();
        assertEq(tokenA.balanceOf(alice), 900 ether);
        assertEq(tokenA.balanceOf(address(bridgeA)), 100 ether, "locked");

        vm.chainId(CHAIN_B);
        (, uint256 executed,,) = b.deliver(batchOf(idA, headAtB, over), proofOfA(lane, 0, honest()));
        assertEq(executed, 1);
        assertEq(tokenB.balanceOf(bob), 100 ether, "unlocked");
        assertTrue(b.isDelivered(lane, 0));

        vm.startPrank(bob);
        tokenB.approve(address(bridgeB), 30 ether);
        (, Sent memory back) = _transfer(b, bridgeB, interoperable(CHAIN_A, alice), 30 ether);
        vm.stopPrank();
        vm.chainId(CHAIN_A);
        (, executed,,) = a.deliver(batchOf(idB, headAtA, back), proofOfB(laneBack, 0, honest()));
        assertEq(executed, 1);
        assertEq(tokenA.balanceOf(alice), 930 ether);
        assertEq(tokenA.balanceOf(address(bridgeA)), 70 ether);
        assertNotEq(id, bytes32(0));
    }

    /// @dev A transfer that cannot be unlocked fails alone, and is delivered once it can: nothing is lost.
    function test_a_transfer_that_cannot_be_paid_out_waits() public {
        vm.startPrank(alice);
        tokenA.approve(address(bridgeA), 600 ether);
        vm.chainId(CHAIN_A);
        (, Sent memory over) = _transfer(a, bridgeA, interoperable(CHAIN_B, bob), 600 ether);
        vm.stopPrank();
        vm.chainId(CHAIN_B);
        (, uint256 executed, uint256 failed,) = b.deliver(batchOf(idA, 0, over), proofOfA(lane, 0, honest()));
        assertEq(executed, 0);
        assertEq(failed, 1);
        assertEq(tokenB.balanceOf(bob), 0);
        tokenB.transfer(address(bridgeB), 100 ether);
        (, executed,,) = b.deliver(batchOf(idA, 0, over), proofOfA(lane, 0, honest()));
        assertEq(executed, 1);
        assertEq(tokenB.balanceOf(bob), 600 ether);
    }

    /// @dev Only the counterpart bridge unlocks: someone else's message over the same gateway is refused by the bridge.
    function test_nobody_else_unlocks() public {
        bytes memory payload = abi.encode(interoperable(CHAIN_A, alice), abi.encodePacked(bob), uint256(1 ether));
        Sent memory forged = send(address(bridgeB), payload);
        vm.chainId(CHAIN_B);
        (,, uint256 failed,) = b.deliver(batchOf(idA, 0, forged), proofOfA(lane, 0, honest()));
        assertEq(failed, 1);
        assertEq(tokenB.balanceOf(bob), 0);
    }

    /// @dev OpenZeppelin's remote executor: an account of chain A acts on chain B.
    function test_a_remote_executor_acts_for_its_controller() public {
        CrosschainRemoteExecutor executor = new CrosschainRemoteExecutor(address(b), interoperable(CHAIN_A, alice));
        tokenB.transfer(address(executor), 5 ether);
        bytes memory single =
            abi.encodePacked(bytes32(0), address(tokenB), uint256(0), abi.encodeCall(tokenB.transfer, (bob, 5 ether)));
        Sent memory order = send(address(executor), single);
        b.deliver(batchOf(idA, 0, order), proofOfA(lane, 0, honest()));
        assertEq(tokenB.balanceOf(bob), 5 ether);
    }

    function _transfer(Gateway gateway, TokenBridge bridge, bytes memory to, uint256 amount)
        private
        returns (bytes32 id, Sent memory message)
    {
        vm.recordLogs();
        id = bridge.crosschainTransfer(to, amount);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].emitter != address(gateway)) continue;
            if (logs[i].topics[0] == IERC7786GatewaySource.MessageSent.selector) {
                (,, message.payload,,) = abi.decode(logs[i].data, (bytes, bytes, bytes, uint256, bytes[]));
            } else if (logs[i].topics[0] == IOutbox.MessageAppended.selector) {
                message.laneId = logs[i].topics[1];
                message.sequence = uint64(uint256(logs[i].topics[2]));
                message.leaf = logs[i].topics[3];
            }
        }
        message.sender = bytes32(uint256(uint160(address(bridge))));
        message.recipient = bytes32(uint256(uint160(address(address(bridge) == address(bridgeA) ? bridgeB : bridgeA))));
        message.gasLimit = limits.defaultGasLimit;
        assertEq(leafOf(message), id);
    }

    function _link(address gateway, bytes memory counterpart)
        private
        pure
        returns (CrosschainLinked.Link[] memory links)
    {
        links = new CrosschainLinked.Link[](1);
        links[0] = CrosschainLinked.Link(gateway, counterpart);
    }
}
