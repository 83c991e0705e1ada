// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// @title The sending half of a gateway: lanes as paged hash chains.
/// @notice `sendMessage` and `supportsAttribute` are those of ERC-7786 (IERC7786GatewaySource).
interface IOutbox {
    /// @notice What a lane lets through. Gas in gas units, payload in bytes.
    struct Limits {
        uint32 defaultGasLimit;
        uint32 maxGasLimit;
        uint32 maxPayload;
    }

    /// @notice An outgoing lane, one storage word.
    struct OutboundLane {
        uint64 nextSequence;
        bool open;
        bool paused;
        uint8 flags;
        Limits limits;
    }

    /// @notice Beside the standard's MessageSent, for relayers: where the message stands in its lane.
    event MessageAppended(bytes32 indexed laneId, uint64 indexed sequence, bytes32 indexed id);

    event LaneOpened(bytes32 indexed laneId, bytes32 indexed destination, bytes32 channel, uint8 flags, address owner);
    event LaneLimited(bytes32 indexed laneId, Limits limits);
    event LanePaused(bytes32 indexed laneId, bool paused);
    /// @notice A channel's owner has offered it to another account, or to none any more: `pendingOwner` 0.
    event ChannelOffered(bytes32 indexed laneId, address indexed owner, address indexed pendingOwner);
    event ChannelTransferred(bytes32 indexed laneId, address indexed former, address indexed owner);
    event SenderAllowed(bytes32 indexed laneId, address indexed sender, bool allowed);

    /// @notice The recipient is not canonical ERC-7930 bytes.
    error InvalidRecipient(bytes recipient);
    /// @notice No registered (and unpaused) remote on the recipient's chain.
    error NoRoute(bytes32 routeKey);
    error RouteIsPaused(bytes32 endpointId);
    error LaneNotOpen(bytes32 laneId);
    error LaneIsPaused(bytes32 laneId);
    error LaneAlreadyOpen(bytes32 laneId);
    error SenderNotAllowed(bytes32 laneId, address sender);
    error PayloadTooLarge(uint256 found, uint256 most);
    error GasLimitTooHigh(uint256 found, uint256 most);
    error DeadlinePassed(uint64 found, uint256 timestamp);
    error UnexpectedValue(uint256 found);
    error UnsupportedFlags(uint256 found);
    error InvalidAttribute(bytes attribute);
    error DuplicateAttribute(bytes4 selector);
    error InvalidLimits(Limits found);
    error NotLaneOwner(bytes32 laneId, address caller);
    error NotPendingLaneOwner(bytes32 laneId, address caller);
    /// @notice A channel must belong to somebody.
    error LaneOwnerMissing();

    /// @notice The running head after the last message of a page, 0 before its first.
    function head(bytes32 laneId, uint256 page) external view returns (bytes32);

    function outboundLane(bytes32 laneId) external view returns (OutboundLane memory);

    /// @notice Opens a lane with its own list of senders towards a registered remote.
    /// Restricted to the role that the endpoint's admin gives.
    /// @param owner Who decides about the list of senders from then on; not 0.
    function openChannel(bytes32 destination, bytes32 channel, uint8 flags, Limits calldata limits, address owner)
        external
        returns (bytes32 laneId);

    /// @notice Offers a channel to another account, which has it once it accepts; until then the owner keeps it. Only the lane's
    /// owner. An offer replaces the one before; naming 0 or the owner itself takes it back.
    function transferChannel(bytes32 laneId, address newOwner) external;

    /// @notice Takes a channel that was offered to the caller, with its list of senders as it is.
    function acceptChannel(bytes32 laneId) external;

    /// @notice Who has a channel, and whom it is offered to (0 for nobody). Both are 0 for public lanes and unknown ones.
    function laneOwner(bytes32 laneId) external view returns (address owner, address pendingOwner);

    /// @notice Lets a sender use a channel, or not. Only the lane's owner.
    function allowSender(bytes32 laneId, address sender, bool allowed) external;

    function isSenderAllowed(bytes32 laneId, address sender) external view returns (bool);

    function limitLane(bytes32 laneId, Limits calldata limits) external;

    function pauseLane(bytes32 laneId) external;

    function unpauseLane(bytes32 laneId) external;
}
