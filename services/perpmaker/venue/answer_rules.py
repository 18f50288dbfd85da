"""Where the exchange's ways of answering are uncertain or differ between observers: switches with their defaults.

Each default is what the better source says. Source: Hyperliquid documentation, "WebSocket" and "Info endpoint",
and what clients have measured.
"""

from __future__ import annotations

from dataclasses import dataclass

from perpmaker.venue.switches import with_switches


@dataclass(frozen=True, slots=True)
class AnswerRules:
    """Times in milliseconds."""

    mids_ms: int = 2_000
    """Time between two allMids messages; 0 sends one every block, as old servers did."""
    fast_book_ms: int = 500
    """Time between two l2Book messages of a subscription with `fast`."""
    ctx_ms: int = 1_000
    """Least time between two messages of a stream of asset contexts."""
    account_ms: int = 1_000
    """Least time between two messages of a stream of account state that only prices moved."""
    web_data_ms: int = 5_000
    """Time between two webData3 (or webData2) messages."""
    recent_trades_first: bool = True
    """The first trades message after subscribing carries what traded last."""
    candle_as_list: bool = False
    """A candle message is a list of one candle, as documented, rather than the object that is observed."""
    fills_first_in_user_events: bool = False
    """Subscribing to userEvents is answered with recent fills."""
    open_again_on_partial: bool = False
    """A partial fill of a resting order is an order update that says `open` with what is left."""
    new_before_old_on_modify: bool = False
    """Among the order updates of one modify the replacement comes first."""
    web_data_2: bool = False
    """Serve the webData2 stream, which the exchange has removed, to clients that still ask for it."""
    accept_mantissa_1: bool = False
    """Take the documented but refused mantissa of 1 in l2Book."""
    resting_orders_hold_margin: bool = False
    """`withdrawable` is less the margin of resting orders."""
    notify_liquidations: bool = True
    """The notification stream tells of a liquidation. That it does is likely, its words are this venue's own."""
    index_lag_ms: int = 0
    """How long at most orderStatus by cloid does not know a new order yet; half of it at least."""


def answer_rules(text: str) -> AnswerRules:
    """Read `NAME=VALUE,...`, flags as 0 or 1. Raises `ValueError` that lists the names."""
    return with_switches(AnswerRules(), text)
