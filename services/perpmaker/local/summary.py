"""The last line of a run: what was quoted and traded, and whether the books agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from perpmaker.common.decimals import format_e8


@dataclass(frozen=True, slots=True)
class MarketResult:
    """What became of one market in this run; positions and P&L are those of the whole ledger."""

    symbol: str
    quotes_placed: int
    quotes_cancelled: int
    fills: int
    position_e8: int
    venue_position_e8: int | None
    """None when the exchange could not be asked."""
    pnl_quote_e8: int
    two_sided_ratio: float | None
    """None when the run ended before anything counted."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What became of the run."""

    duration_s: float
    """Time since every quoter was ready, until the stop began."""
    markets: tuple[MarketResult, ...]
    open_orders_at_exit: int | None
    """Orders of ours that the exchange showed after the ordered stop; None when it could not be asked."""
    unresolved_orders: int | None
    """Orders in state UNKNOWN after the ordered stop; None when order-state could not be asked."""
    tick_to_order_p50_ms: float | None
    tick_to_order_p99_ms: float | None
    rss_mb: Mapping[str, float]
    integrity: tuple[str, ...]
    """Differences between the ledger and the exchange, and whatever kept them from being compared."""

    @property
    def is_ok(self) -> bool:
        """Whether the books were compared and agree."""
        return not self.integrity

    def as_json(self) -> dict[str, Any]:
        """The document printed as the last line; sizes and money as plain numbers."""
        return {
            "event": "summary",
            "duration_s": round(self.duration_s, 3),
            "markets": [
                {
                    "symbol": market.symbol,
                    "quotes_placed": market.quotes_placed,
                    "quotes_cancelled": market.quotes_cancelled,
                    "fills": market.fills,
                    "position": number(market.position_e8),
                    "venue_position": None if market.venue_position_e8 is None else number(market.venue_position_e8),
                    "pnl_quote": number(market.pnl_quote_e8),
                    "two_sided_ratio": None if market.two_sided_ratio is None else round(market.two_sided_ratio, 4),
                }
                for market in self.markets
            ],
            "open_orders_at_exit": self.open_orders_at_exit,
            "unresolved_orders": self.unresolved_orders,
            "tick_to_order_ms": {"p50": self.tick_to_order_p50_ms, "p99": self.tick_to_order_p99_ms},
            "rss_mb": dict(self.rss_mb),
            "integrity": "ok" if self.is_ok else list(self.integrity),
        }


def number(value_e8: int) -> float:
    """A scaled integer as the JSON number nearest to it."""
    return float(format_e8(value_e8))
