"""Order status vocabulary of the exchange, reduced to what it proves.

Rule for words of tomorrow: suffix `Rejected` is a refusal, suffix `Canceled` (or the exchange's own `scheduledCancel`,
`internalCancel`) is a cancel, anything else is UNRECOGNIZED and must be asked about, never ignored.
"""

from __future__ import annotations

import enum


class StatusMeaning(enum.Enum):
    """What an order status says about the life of the order."""

    OPEN = "open"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    TRIGGERED = "triggered"
    UNRECOGNIZED = "unrecognized"


ENGINE_CANCELS = frozenset(
    {
        "marginCanceled",
        "vaultWithdrawalCanceled",
        "openInterestCapCanceled",
        "selfTradeCanceled",
        "reduceOnlyCanceled",
        "siblingFilledCanceled",
        "delistedCanceled",
        "liquidatedCanceled",
        "scheduledCancel",
        "outcomeSettledCanceled",
        "internalCancel",
    }
)
"""Statuses with which the exchange cancels an order without being asked."""

REJECTIONS = frozenset(
    {
        "rejected",
        "tickRejected",
        "minTradeNtlRejected",
        "perpMarginRejected",
        "reduceOnlyRejected",
        "badAloPxRejected",
        "iocCancelRejected",
        "badTriggerPxRejected",
        "marketOrderNoLiquidityRejected",
        "positionIncreaseAtOpenInterestCapRejected",
        "positionFlipAtOpenInterestCapRejected",
        "tooAggressiveAtOpenInterestCapRejected",
        "openInterestIncreaseRejected",
        "insufficientSpotBalanceRejected",
        "oracleRejected",
        "perpMaxPositionRejected",
        "tooManyOpenOrdersRejected",
    }
)
"""Statuses of orders that were refused at placement."""

_EXACT = {
    "open": StatusMeaning.OPEN,
    "filled": StatusMeaning.FILLED,
    "canceled": StatusMeaning.CANCELLED,
    "triggered": StatusMeaning.TRIGGERED,
    **dict.fromkeys(ENGINE_CANCELS, StatusMeaning.CANCELLED),
    **dict.fromkeys(REJECTIONS, StatusMeaning.REJECTED),
}


def meaning_of(status: str) -> StatusMeaning:
    """Meaning of an exchange order status, known or not."""
    known = _EXACT.get(status)
    if known is not None:
        return known
    if status.endswith("Rejected"):
        return StatusMeaning.REJECTED
    if status.endswith(("Canceled", "Cancel")):
        return StatusMeaning.CANCELLED
    return StatusMeaning.UNRECOGNIZED
