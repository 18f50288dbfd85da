"""Every condition and every reason. Other programs compare these words: a new cause gets a new word, none is reused."""

from __future__ import annotations

from enum import StrEnum


class ConditionType(StrEnum):
    """Aspects of a MarketMaker or a TradingAccount."""

    READY = "Ready"
    ACCEPTED = "Accepted"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    KILL_SWITCH_TRIPPED = "KillSwitchTripped"

    ACCOUNT_READY = "AccountReady"
    WORKLOAD_AVAILABLE = "WorkloadAvailable"
    CONFIG_APPLIED = "ConfigApplied"
    QUOTING = "Quoting"

    CREDENTIALS_VALID = "CredentialsValid"
    EXCHANGE_CONNECTED = "ExchangeConnected"
    GATEWAY_AVAILABLE = "GatewayAvailable"
    ORDER_STATE_AVAILABLE = "OrderStateAvailable"
    RISK_AVAILABLE = "RiskAvailable"
    STORE_AVAILABLE = "StoreAvailable"
    DEAD_MANS_SWITCH_ARMED = "DeadMansSwitchArmed"


class Reason(StrEnum):
    """Causes."""

    UNKNOWN = "Unknown"
    """Whoever knows cannot be asked."""
    AS_WANTED = "AsWanted"
    """Nothing is left to do."""

    # Ready
    QUOTING = "Quoting"
    SHADOWING = "Shadowing"
    READY = "Ready"
    PAUSED = "Paused"
    REDUCE_ONLY = "ReduceOnly"
    ACCOUNT_NOT_READY = "AccountNotReady"
    WORKLOAD_UNAVAILABLE = "WorkloadUnavailable"
    CONFIG_PENDING = "ConfigPending"
    NOT_QUOTING = "NotQuoting"
    KILL_SWITCH_TRIPPED = "KillSwitchTripped"
    INVALID = "Invalid"
    TERMINATING = "Terminating"
    CREDENTIALS_INVALID = "CredentialsInvalid"
    EXCHANGE_DISCONNECTED = "ExchangeDisconnected"
    STORE_UNAVAILABLE = "StoreUnavailable"
    GATEWAY_UNAVAILABLE = "GatewayUnavailable"
    ORDER_STATE_UNAVAILABLE = "OrderStateUnavailable"
    RISK_UNAVAILABLE = "RiskUnavailable"

    # Accepted
    VALID = "Valid"
    DUPLICATE_MARKET = "DuplicateMarket"
    UNKNOWN_SYMBOL = "UnknownSymbol"
    LEVERAGE_TOO_HIGH = "LeverageTooHigh"
    BELOW_TICK_OR_LOT = "BelowTickOrLot"
    INVALID_POD_OVERRIDE = "InvalidPodOverride"
    NOT_SUPPORTED = "NotSupported"
    INSECURE_TRANSPORT = "InsecureTransport"

    # AccountReady
    NOT_FOUND = "NotFound"
    NOT_READY = "NotReady"
    NETWORK_MISMATCH = "NetworkMismatch"
    """The gateway speaks to another network than the account is of."""

    # WorkloadAvailable and its kin
    AVAILABLE = "Available"
    PROGRESSING = "Progressing"
    CRASH_LOOPING = "CrashLooping"
    UNSCHEDULABLE = "Unschedulable"
    IMAGE_PULL_FAILED = "ImagePullFailed"
    CREATE_CONTAINER_CONFIG_ERROR = "CreateContainerConfigError"
    EXTERNAL = "External"
    NOT_TRADABLE = "NotTradable"
    """It runs, and is not ready to trade."""

    # ConfigApplied
    APPLIED = "Applied"
    PENDING = "Pending"
    REJECTED = "Rejected"

    # Quoting
    TWO_SIDED = "TwoSided"
    ONE_SIDED = "OneSided"
    NO_QUOTES = "NoQuotes"
    STALE_MARKET_DATA = "StaleMarketData"
    RATE_LIMITED = "RateLimited"

    # KillSwitchTripped
    ARMED = "Armed"
    MANUAL_ENGAGED = "ManualEngaged"
    DAILY_LOSS = "DailyLoss"
    DRAWDOWN = "Drawdown"
    STALE_DATA = "StaleData"
    REJECT_BURST = "RejectBurst"
    POSITION_LIMIT = "PositionLimit"
    ACCOUNT_TRIPPED = "AccountTripped"
    MIN_EQUITY = "MinEquity"
    UNKNOWN_ORDERS = "UnknownOrders"
    LIQUIDATION = "Liquidation"
    LATCH_LOST = "LatchLost"
    OTHER = "Other"

    # CredentialsValid
    ADDRESS_MISMATCH = "AddressMismatch"
    KEY_REFUSED = "KeyRefused"
    EXPIRED = "Expired"

    # ExchangeConnected
    CONNECTED = "Connected"
    DISCONNECTED = "Disconnected"

    # DeadMansSwitchArmed
    DISABLED = "Disabled"
    REFUSED_BY_EXCHANGE = "RefusedByExchange"
    IDLE = "Idle"
    """Nobody trades, so there is nothing to guard."""
    LAPSED = "Lapsed"

    # Reconciling, Stalled
    RECONCILIATION_PAUSED = "ReconciliationPaused"
    WAITING = "Waiting"
    NAME_CONFLICT = "NameConflict"
    FORBIDDEN = "Forbidden"
    KIND_MISSING = "KindMissing"
    REFUSED_BY_API_SERVER = "RefusedByApiServer"
    CANCEL_FAILED = "CancelFailed"
    FLATTEN_INCOMPLETE = "FlattenIncomplete"
    CANNOT_CANCEL_GATEWAY_GONE = "CannotCancelGatewayGone"
    IN_USE = "InUse"
