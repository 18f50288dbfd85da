"""Series of order-state. Position and exposure keep the names under which traders know them."""

from __future__ import annotations

from functools import cache
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from perpmaker.common.decimals import E8
from perpmaker.common.metrics import RPC_BUCKETS_S, Reservoir

_MARKET: Final = ("market",)

POSITION = Gauge("mm_position", "Signed position, base units.", _MARKET)
PENDING_BID = Gauge("mm_pending_bid_exposure", "Remaining size of live buys, base units.", _MARKET)
PENDING_ASK = Gauge("mm_pending_ask_exposure", "Remaining size of live sells, base units.", _MARKET)
NET_PENDING = Gauge("mm_net_pending_change", "Live buys minus live sells, base units.", _MARKET)
WORST_MAX = Gauge("mm_worst_case_max_position", "Position if every buy that may still fill does.", _MARKET)
WORST_MIN = Gauge("mm_worst_case_min_position", "Position if every sell that may still fill does.", _MARKET)
PLACED = Counter("mm_orders_placed_total", "Orders that reached the exchange.", _MARKET)
ORDERS_FILLED = Counter("mm_orders_filled_total", "Fills applied.", _MARKET)
FILL_VOLUME = Counter("mm_fill_volume_total", "Filled size, base units.", _MARKET)
MODIFIED = Counter("mm_orders_modified_total", "Replacements that succeeded.", _MARKET)
MODIFY_FALLBACKS = Counter("mm_modify_fallbacks_total", "Replacements that were refused.", _MARKET)

ORDERS_OPEN = Gauge("mm_order_state_orders_open", "Orders that are not over.", ("market", "side"))
ORDERS_UNKNOWN = Gauge("mm_order_state_orders_unknown", "Orders whose outcome is not known.", _MARKET)
OLDEST_UNKNOWN = Gauge(
    "mm_order_state_oldest_unknown_timestamp_seconds",
    "Since when the oldest such order is unknown; 0 for none.",
    _MARKET,
)
STUCK_CANCELS = Gauge("mm_order_state_stuck_cancels", "Cancels without evidence for 3 s and more.", _MARKET)
DRIFT = Gauge("mm_order_state_position_drift", "Exchange's position minus the ledger's, base units.", _MARKET)
HELD = Gauge("mm_order_state_held", "1 while new orders are held back.", _MARKET)
TRANSITIONS = Counter("mm_order_state_order_transitions_total", "Changes of state.", ("market", "from", "to"))
CONTRADICTIONS = Counter("mm_order_state_contradictions_total", "Events that cannot be: alarms.", ("market", "kind"))
MISMATCHES = Counter(
    "mm_order_state_reconcile_mismatches_total", "Differences to the exchange's open orders.", ("market", "kind")
)
FILLS = Counter("mm_order_state_fills_total", "Distinct fills.", ("market", "side", "liquidity"))
FILL_NOTIONAL = Counter("mm_order_state_fill_notional_quote_total", "Filled value.", ("market", "side", "liquidity"))
DUPLICATE_FILLS = Counter("mm_order_state_duplicate_fills_total", "Fills received again.", _MARKET)
UNMATCHED_FILLS = Counter("mm_order_state_unmatched_fills_total", "Fills without an order of ours.", _MARKET)
REFUSALS = Counter("mm_order_state_refusals_total", "Orders refused by the exchange.", ("market", "side", "reason"))
VERDICTS = Counter("mm_order_state_verdicts_total", "Verdicts on items of plans.", ("market", "result"))
SYNCS = Counter("mm_order_state_sync_steps_total", "Steps of safety syncs.", ("step", "result"))
SYNC_SECONDS = Histogram(
    "mm_order_state_sync_seconds", "Duration of safety syncs.", buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
)
LAST_SYNC = Gauge("mm_order_state_last_sync_timestamp_seconds", "When a safety sync last succeeded in all its steps.")
REDIS_UP = Gauge("mm_order_state_redis_up", "1 while writes reach the store.")
REDIS_SECONDS = Histogram(
    "mm_order_state_redis_command_seconds",
    "Duration of store commands.",
    ("command",),
    buckets=(0.0001, *RPC_BUCKETS_S),
)
SUBMIT_SECONDS = Histogram(
    "mm_order_state_submit_seconds",
    "Plan received to plan handed to the gateway.",
    buckets=(0.0001, 0.0002, *RPC_BUCKETS_S),
)

EVENT_TO_SUBSCRIBERS: Final = Reservoir()
"""Microseconds from an order event's arrival to durable and published."""

_redis_command = cache(REDIS_SECONDS.labels)
transition = cache(TRANSITIONS.labels)
"""Counter of a change of state by market and state names; looked up on the hot path."""
verdict = cache(VERDICTS.labels)
"""Counter of a verdict by market and word; looked up on the hot path."""


def redis_seconds(command: str, seconds: float) -> None:
    """Record the duration of a store command."""
    _redis_command(command).observe(seconds)


def base_units(value_e8: int) -> float:
    """Exact integer to the float that Prometheus wants."""
    return value_e8 / E8


_OF_A_MARKET: Final = (
    POSITION,
    PENDING_BID,
    PENDING_ASK,
    NET_PENDING,
    WORST_MAX,
    WORST_MIN,
    ORDERS_UNKNOWN,
    OLDEST_UNKNOWN,
    STUCK_CANCELS,
    DRIFT,
    HELD,
)


def forget(market: str) -> None:
    """Drop the present state of a market that is looked after no longer; what was counted stays."""
    for gauge in _OF_A_MARKET:
        gauge.remove(market)
    for side in ("buy", "sell"):
        ORDERS_OPEN.remove(market, side)
