"""Where the exchange's ways of answering are uncertain or differ between observers: switches with their defaults.

Each default is what the better source says. Source: Hyperliquid documentation, "WebSocket" and "Info endpoint",
and what clients have measured.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace


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
    index_lag_ms: int = 0
    """How long at most orderStatus by cloid does not know a new order yet; half of it at least."""

    def describe(self) -> dict[str, int | bool]:
        """Every switch and its value."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def answer_rules(text: str) -> AnswerRules:
    """Read `NAME=VALUE,...`, flags as 0 or 1. Raises `ValueError` that lists the names."""
    defaults = AnswerRules().describe()
    chosen: dict[str, int | bool] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = part.partition("=")
        if name not in defaults:
            raise ValueError(f"unknown switch {name!r}; known: {', '.join(defaults)}")
        if not value.isdigit() or (isinstance(defaults[name], bool) and value not in ("0", "1")):
            raise ValueError(f"{name} must be {'0 or 1' if isinstance(defaults[name], bool) else 'a whole number'}")
        chosen[name] = value == "1" if isinstance(defaults[name], bool) else int(value)
    return replace(AnswerRules(), **chosen)  # type: ignore[arg-type]
