"""The exchange's words for every refusal, by the status the refused order's record gets.

Runtime texts end in ` asset=N`. What is refused alike on the exchange, in words nobody has recorded, is listed in
`SYNTHETIC` and `OWN_WORDS`; an operator who knows better replaces the words of any status with `OrderRules.texts`.
Source: Hyperliquid documentation, "Error responses"; texts as measured.
"""

from __future__ import annotations

from collections.abc import Mapping

from perpmaker.venue.engine.statuses import Status

TEXTS: Mapping[Status, str] = {
    Status.TICK_REJECTED: "Price must be divisible by tick size.",
    Status.MIN_NOTIONAL_REJECTED: "Order must have minimum value of $10.",
    Status.MARGIN_REJECTED: "Insufficient margin to place order.",
    Status.REDUCE_ONLY_REJECTED: "Reduce only order would increase position.",
    Status.BAD_ALO_REJECTED: "Post only order would have immediately matched, bbo was {bbo}.",
    Status.IOC_REJECTED: "Order could not immediately match against any resting orders.",
    Status.BAD_TRIGGER_PX_REJECTED: "Invalid TP/SL price.",
    Status.NO_LIQUIDITY_REJECTED: "No liquidity available for market order.",
    Status.INCREASE_AT_CAP_REJECTED: "Order would increase open interest while open interest is capped",
    Status.FLIP_AT_CAP_REJECTED: "Order would increase open interest while open interest is capped",
    Status.TOO_AGGRESSIVE_AT_CAP_REJECTED: (
        "Order rejected due to price more aggressive than oracle while at open interest cap"
    ),
    Status.OPEN_INTEREST_INCREASE_REJECTED: "Order would increase open interest too quickly",
    Status.SPOT_BALANCE_REJECTED: "Order has insufficient spot balance to trade",
    Status.ORACLE_REJECTED: "Price too far from oracle",
    Status.MAX_POSITION_REJECTED: "Order would cause position to exceed margin tier limit at current leverage",
    Status.TOO_MANY_ORDERS_REJECTED: "Too many open orders.",
    Status.REJECTED: "{reason}",
}

SYNTHETIC = frozenset({Status.TOO_MANY_ORDERS_REJECTED, Status.REJECTED})

ZERO_SIZE = "Order has zero size."
INVALID_SIZE = "Order has invalid size."
INVALID_PRICE = "Order has invalid price."
OUTSIDE_BAND = "Order price cannot be more than {percent}% away from the reference price"
POST_ONLY_PERIOD = "Only post-only orders allowed immediately after network upgrade"
BUILDER_UNAPPROVED = "Builder fee has not been approved."
ORDERS_EMPTY = "Orders are empty."
GONE = "Order was never placed, already canceled, or filled."
NOT_MODIFIABLE = "Cannot modify canceled or filled order"
MODIFY_FAILED = "Error placing new order during modify: "
TWAP_GONE = "TWAP was never placed, already canceled, or filled."
TWAP_DURATION = "Invalid TWAP duration: {minutes} min(s)"
TWAP_TOO_SMALL_PER_MINUTE = "TWAP order value too small. Min is ${smallest}, which is $10 per minute."

HALTED = "Trading is halted."
FAST_TRIGGER = "Cannot fast cancel trigger order"
NEEDS_RESTING = "Replacement order must be Alo or non-executable Gtc unless always_place is set"
CHILDREN_REDUCE = "TP/SL orders of a group must be reduce only."
GROUP_SHAPE = "TP/SL group must be an order followed by TP/SL orders."
PRIORITY_SHAPE = "Priority orders must be all Ioc or all Alo without reduce only."
CLOID_IN_USE = "Client order id is in use by an open order."
TWAP_TOO_SMALL = "TWAP order value too small. Min is ${smallest}."
VALUE_TOO_LARGE = "Order value exceeds the maximum of ${limit}."

OWN_WORDS = frozenset(
    {
        HALTED,
        FAST_TRIGGER,
        NEEDS_RESTING,
        CHILDREN_REDUCE,
        GROUP_SHAPE,
        PRIORITY_SHAPE,
        CLOID_IN_USE,
        TWAP_TOO_SMALL,
        VALUE_TOO_LARGE,
    }
)

_UNSAID = {"bbo": "0.0@0.0", "reason": "Order rejected."}


def text_of(own_words: Mapping[Status, str], status: Status, asset: int, **facts: str) -> str:
    """What the client is told, with the market's number; `own_words` come before the table."""
    words = own_words.get(status) or TEXTS[status]
    return f"{words.format(**(_UNSAID | facts))} asset={asset}"
