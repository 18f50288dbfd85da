"""Error texts of the exchange, classified by what they ask us to do.

Texts are matched by prefix or substring because the exchange appends ` asset=N` and other facts. An unknown text is
UNRECOGNIZED, which callers treat conservatively.
"""

from __future__ import annotations

import enum
import re


class RejectionClass(enum.Enum):
    """Why the exchange refused; values are the stable words used in metrics and messages."""

    POSITION_LIMIT = "position_limit"
    MARGIN = "margin"
    POST_ONLY_CROSS = "post_only_cross"
    TICK_OR_LOT = "tick_or_lot"
    MIN_NOTIONAL = "min_notional"
    REDUCE_ONLY = "reduce_only"
    PRICE_BAND = "price_band"
    RATE_LIMIT = "rate_limit"
    AUTH = "auth"
    ORDER_GONE = "order_gone"
    MODIFY_LOST_ORDER = "modify_lost_order"
    EXPIRED = "expired"
    NO_LIQUIDITY = "no_liquidity"
    UNRECOGNIZED = "unrecognized"


_BY_SUBSTRING: tuple[tuple[str, RejectionClass], ...] = (
    # A refused replacement quotes the inner error, so it is told apart first.
    ("error placing new order during modify", RejectionClass.MODIFY_LOST_ORDER),
    ("cannot modify canceled or filled order", RejectionClass.ORDER_GONE),
    ("order was never placed, already canceled, or filled", RejectionClass.ORDER_GONE),
    ("too many cumulative requests", RejectionClass.RATE_LIMIT),
    ("rate limit", RejectionClass.RATE_LIMIT),
    ("too many requests", RejectionClass.RATE_LIMIT),
    ("too many actions", RejectionClass.RATE_LIMIT),
    # It names the open-interest cap as well, but it is the price that another order would have to change.
    ("more aggressive than oracle", RejectionClass.PRICE_BAND),
    ("margin tier limit", RejectionClass.POSITION_LIMIT),
    ("open interest", RejectionClass.POSITION_LIMIT),
    ("max position", RejectionClass.POSITION_LIMIT),
    ("perpmaxposition", RejectionClass.POSITION_LIMIT),
    ("too many open orders", RejectionClass.POSITION_LIMIT),
    ("insufficient margin", RejectionClass.MARGIN),
    ("insufficient spot balance", RejectionClass.MARGIN),
    ("leverage", RejectionClass.MARGIN),
    ("post only order would have immediately matched", RejectionClass.POST_ONLY_CROSS),
    ("badalopx", RejectionClass.POST_ONLY_CROSS),
    ("divisible by tick size", RejectionClass.TICK_OR_LOT),
    ("order has zero size", RejectionClass.TICK_OR_LOT),
    ("order has invalid size", RejectionClass.TICK_OR_LOT),
    ("order has invalid price", RejectionClass.TICK_OR_LOT),
    ("minimum value", RejectionClass.MIN_NOTIONAL),
    ("reduce only order would increase", RejectionClass.REDUCE_ONLY),
    ("too far from oracle", RejectionClass.PRICE_BAND),
    ("away from the reference price", RejectionClass.PRICE_BAND),
    ("could not immediately match", RejectionClass.NO_LIQUIDITY),
    ("no liquidity available", RejectionClass.NO_LIQUIDITY),
    ("action already expired", RejectionClass.EXPIRED),
    ("invalid nonce", RejectionClass.AUTH),
    ("user or api wallet", RejectionClass.AUTH),
    ("must deposit before performing actions", RejectionClass.AUTH),
    ("unable to recover signer", RejectionClass.AUTH),
    ("vault not registered", RejectionClass.AUTH),
    ("vault may not perform", RejectionClass.AUTH),
)


_FLOOR = re.compile(r"nonce too low \d+ < (\d{1,18})(?!\d)", re.ASCII | re.IGNORECASE)
_FIGURES = re.compile(r"requests sent \((\d{1,18}) > (\d{1,18})\)", re.ASCII | re.IGNORECASE)


def classify(text: str) -> RejectionClass:
    """Class of an error text."""
    lowered = text.lower()
    if lowered.startswith("429"):  # an HTTP status at the front; elsewhere it may be part of a price
        return RejectionClass.RATE_LIMIT
    for needle, rejection in _BY_SUBSTRING:
        if needle in lowered:
            return rejection
    return RejectionClass.UNRECOGNIZED


def is_duplicate_nonce(text: str) -> bool:
    """Whether the text proves that an action with the same nonce was received before."""
    return "duplicate nonce" in text.lower()


def is_nonce_window(text: str) -> bool:
    """Whether the text says that a nonce lies outside the exchange's window: clock or nonces are off."""
    lowered = text.lower()
    return "nonce too low" in lowered or "nonce too high" in lowered


def nonce_floor(text: str) -> int | None:
    """The least nonce that is taken now, where a text names it."""
    found = _FLOOR.search(text)
    return int(found.group(1)) if found is not None else None


def request_figures(text: str) -> tuple[int, int] | None:
    """Requests made, the refused ones included, and the limit they passed, where a text names them."""
    found = _FIGURES.search(text)
    return (int(found.group(1)), int(found.group(2))) if found is not None else None


def is_signer_refused(text: str) -> bool:
    """Whether the text doubts the key itself rather than the nonce: it may have lost its approval."""
    return classify(text) is RejectionClass.AUTH and "nonce" not in text.lower()
