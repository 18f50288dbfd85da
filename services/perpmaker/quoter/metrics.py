"""What the quoter exports. Prices leave here as floats, in quote units."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from perpmaker.common.decimals import E8
from perpmaker.common.metrics import TICK_TO_ORDER_BUCKETS_S
from perpmaker.quoter.decide import Decision
from perpmaker.quoter.plan import Plan, Reason
from perpmaker.quoter.settings import Mode

_CYCLE_SECONDS = Histogram(
    "mm_quoter_cycle_seconds",
    "Time of one decision.",
    ["market"],
    buckets=(0.00005, 0.0001, 0.00015, 0.0002, 0.0003, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.1),
)
_TICK_TO_ORDER_SECONDS = Histogram(
    "mm_quoter_tick_to_order_seconds",
    "Market frame received by the quoter to its plan handed to the stream.",
    ["market"],
    buckets=TICK_TO_ORDER_BUCKETS_S,
)
_DATA_AGE = Gauge("mm_quoter_market_data_age_seconds", "Age of the newest book; -1 while there is none.", ["market"])
_HALF_SPREAD = Gauge(
    "mm_quoter_half_spread_bps", "Distance of the best target from the fair price.", ["market", "side"]
)
_OFFSET = Gauge(
    "mm_quoter_reservation_offset_bps", "Inventory skew; negative when both quotes are lowered.", ["market"]
)
_QUOTES_LIVE = Gauge("mm_quoter_quotes_live", "Orders in the book.", ["market", "side"])
_TWO_SIDED = Counter(
    "mm_quoter_two_sided_seconds", "Time with at least one order in the book on both sides.", ["market"]
)
_REQUOTES = Counter("mm_quoter_requotes", "Changes sent, by reason.", ["market", "action", "reason"])
_SKIPS = Counter("mm_quoter_skips", "Levels left as they are, by reason.", ["market", "reason"])
_VERDICTS = Counter("mm_quoter_verdicts", "Verdicts of order-state on new orders.", ["market", "verdict"])
_GENERATION = Gauge("mm_quoter_applied_generation", "Generation of the configuration in force.", ["market"])
_EPOCH = Gauge("mm_quoter_session_epoch", "Session epoch.", ["market"])
_MODE = Gauge("mm_quoter_mode_info", "1 for the mode in force.", ["market", "mode"])
_MID = Gauge("mm_mid_price", "Mid of everybody else's book.", ["market"])
_SPREAD = Gauge("mm_spread_bps", "Own spread quoted.", ["market"])
_SIGMA = Gauge("mm_sigma", "Volatility of the mid per square root of a second, as a fraction.", ["market"])
_JUMP_RATIO = Gauge("mm_jump_ratio", "Realised over bipower variance.", ["market"])


class QuoterMetrics:
    """The series of one market, label lookups done once."""

    def __init__(self, market: str) -> None:
        self._market: Final = market
        self._cycle = _CYCLE_SECONDS.labels(market)
        self._tick_to_order = _TICK_TO_ORDER_SECONDS.labels(market)
        self._age = _DATA_AGE.labels(market)
        self._half = {side: _HALF_SPREAD.labels(market, side) for side in ("buy", "sell")}
        self._offset = _OFFSET.labels(market)
        self._live = {side: _QUOTES_LIVE.labels(market, side) for side in ("buy", "sell")}
        self._two_sided = _TWO_SIDED.labels(market)
        self._skips = {reason: _SKIPS.labels(market, reason.value) for reason in Reason}
        self._generation = _GENERATION.labels(market)
        self._epoch = _EPOCH.labels(market)
        self._modes = {mode: _MODE.labels(market, mode.value) for mode in Mode}
        self._mid = _MID.labels(market)
        self._spread = _SPREAD.labels(market)
        self._sigma = _SIGMA.labels(market)
        self._jump_ratio = _JUMP_RATIO.labels(market)

    def on_cycle(self, seconds: float, plan: Plan) -> None:
        """Count one decision and what it left alone."""
        self._cycle.observe(seconds)
        for skip in plan.skips:
            self._skips[skip.reason].inc()

    def on_sent(self, plan: Plan, tick_to_order_s: float | None) -> None:
        """Count what a plan sent; the latency only when a market frame caused it."""
        if tick_to_order_s is not None:
            self._tick_to_order.observe(tick_to_order_s)
        for cancel in plan.cancels:
            _REQUOTES.labels(self._market, "cancel", cancel.reason.value).inc()
        for replacement in plan.replaces:
            _REQUOTES.labels(self._market, "replace", replacement.reason.value).inc()
        for placement in plan.places:
            _REQUOTES.labels(self._market, "place", placement.reason.value).inc()

    def on_verdict(self, verdict: str) -> None:
        """Count a verdict on a new order."""
        _VERDICTS.labels(self._market, verdict).inc()

    def on_settings(self, generation: int, mode: Mode) -> None:
        """Export what is configured."""
        self._generation.set(generation)
        for each, gauge in self._modes.items():
            gauge.set(1 if each is mode else 0)

    def on_session(self, epoch: int) -> None:
        """Export the session."""
        self._epoch.set(epoch)

    def on_tick(self, decision: Decision | None, data_age_s: float, buys: int, sells: int, elapsed_s: float) -> None:
        """Export the state of things; called a few times a second, off the hot path."""
        self._age.set(data_age_s)
        self._live["buy"].set(buys)
        self._live["sell"].set(sells)
        if buys and sells:
            self._two_sided.inc(elapsed_s)
        quote = decision.quote if decision is not None else None
        if quote is not None:
            self._mid.set(quote.mid / E8)
            self._half["buy"].set(quote.distances.bid_bps)
            self._half["sell"].set(quote.distances.ask_bps)
            self._spread.set(quote.distances.bid_bps + quote.distances.ask_bps)
            self._offset.set(quote.skew_bps)
            self._sigma.set(quote.sigma_bps / 1e4)
            self._jump_ratio.set(quote.jump_ratio)
