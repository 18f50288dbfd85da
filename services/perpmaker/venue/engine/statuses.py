"""Every status an order can have, spelled as on the wire, and what each means for who is told.

Source: Hyperliquid documentation, "Info endpoint", table of order statuses.
"""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """`open` and `triggered` are passed through; all others end an order."""

    OPEN = "open"
    TRIGGERED = "triggered"
    FILLED = "filled"
    CANCELED = "canceled"
    REJECTED = "rejected"

    MARGIN_CANCELED = "marginCanceled"
    VAULT_WITHDRAWAL_CANCELED = "vaultWithdrawalCanceled"
    OPEN_INTEREST_CAP_CANCELED = "openInterestCapCanceled"
    SELF_TRADE_CANCELED = "selfTradeCanceled"
    REDUCE_ONLY_CANCELED = "reduceOnlyCanceled"
    SIBLING_FILLED_CANCELED = "siblingFilledCanceled"
    DELISTED_CANCELED = "delistedCanceled"
    LIQUIDATED_CANCELED = "liquidatedCanceled"
    SCHEDULED_CANCEL = "scheduledCancel"
    OUTCOME_SETTLED_CANCELED = "outcomeSettledCanceled"
    INTERNAL_CANCEL = "internalCancel"

    TICK_REJECTED = "tickRejected"
    MIN_NOTIONAL_REJECTED = "minTradeNtlRejected"
    MARGIN_REJECTED = "perpMarginRejected"
    REDUCE_ONLY_REJECTED = "reduceOnlyRejected"
    BAD_ALO_REJECTED = "badAloPxRejected"
    IOC_REJECTED = "iocCancelRejected"
    BAD_TRIGGER_PX_REJECTED = "badTriggerPxRejected"
    NO_LIQUIDITY_REJECTED = "marketOrderNoLiquidityRejected"
    INCREASE_AT_CAP_REJECTED = "positionIncreaseAtOpenInterestCapRejected"
    FLIP_AT_CAP_REJECTED = "positionFlipAtOpenInterestCapRejected"
    TOO_AGGRESSIVE_AT_CAP_REJECTED = "tooAggressiveAtOpenInterestCapRejected"
    OPEN_INTEREST_INCREASE_REJECTED = "openInterestIncreaseRejected"
    SPOT_BALANCE_REJECTED = "insufficientSpotBalanceRejected"
    ORACLE_REJECTED = "oracleRejected"
    MAX_POSITION_REJECTED = "perpMaxPositionRejected"
    TOO_MANY_ORDERS_REJECTED = "tooManyOpenOrdersRejected"

    @property
    def is_terminal(self) -> bool:
        return self not in (Status.OPEN, Status.TRIGGERED)

    @property
    def is_rejection(self) -> bool:
        return self is Status.REJECTED or self.value.endswith("Rejected")

    @property
    def is_cancellation(self) -> bool:
        return self is Status.CANCELED or self.value.endswith(("Canceled", "Cancel"))


NON_USER_CANCELS = frozenset({Status.MARGIN_CANCELED, Status.SCHEDULED_CANCEL, Status.LIQUIDATED_CANCELED})
"""Cancellations that `userEvents` reports as `nonUserCancel`; the others are seen on `orderUpdates` only."""
