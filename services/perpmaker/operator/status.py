"""Status documents: what was observed, in the shape of the API, and whether writing it is worth it. Pure.

Figures move all the time; they are written at most so often, and only when one has moved past its dead band. Anything
else is written when it changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from perpmaker.common.decimals import E8, NotADecimalError, format_e8, mul_e8, parse_e8
from perpmaker.operator import times
from perpmaker.operator.conditions.workload import Workload
from perpmaker.operator.interfaces import Manifest
from perpmaker.operator.observe.values import (
    AccountView,
    GatewayFacts,
    Instrument,
    OrderStateFacts,
    QuoterAnswer,
    QuoterFacts,
    RiskFacts,
)

_CENT_E8: Final = E8 // 100
_PPM_PER_TENTH_PERCENT: Final = 1_000
_PPM_PER_PERCENT: Final = 10_000

DEAD_BANDS: Final[Mapping[str, tuple[int, int]]] = {
    # Field: (absolute band in 1e-8, relative band in 1/1000).
    "positionBase": (0, 5),
    "positionNotional": (E8, 5),
    "dayPnl": (E8 // 10, 5),
    "equity": (E8, 1),
    "grossNotional": (E8, 5),
    "marginUsageRatio": (E8 // 100, 0),
    "rateLimitUsedRatio": (E8 // 20, 0),
}
"""How far a figure has to move before it is news."""
_UPTIME_BAND_E8: Final = E8 // 2
"""Half a percentage point."""


def cents(amount_e8: int) -> str:
    """An amount of money to the cent, rounded half away from zero."""
    sign = -1 if amount_e8 < 0 else 1
    return format_e8(sign * ((abs(amount_e8) + _CENT_E8 // 2) // _CENT_E8 * _CENT_E8))


def percent(ppm: int) -> str:
    """A share as people read it, e.g. `99.8%`."""
    tenths = (ppm + _PPM_PER_TENTH_PERCENT // 2) // _PPM_PER_TENTH_PERCENT
    return f"{tenths // 10}.{tenths % 10}%" if tenths % 10 else f"{tenths // 10}%"


def ratio(ppm: int) -> str:
    """A share to the percent, as a decimal."""
    return format_e8((ppm + _PPM_PER_PERCENT // 2) // _PPM_PER_PERCENT * (E8 // 100))


def maker_summary(view: AccountView, quoter: QuoterAnswer, market: str) -> dict[str, Any]:
    """Figures of a market, as far as they are known; without their time."""
    figures: dict[str, Any] = {}
    standing = view.order_state.markets.get(market) if isinstance(view.order_state, OrderStateFacts) else None
    risk = view.risk.markets.get(market) if isinstance(view.risk, RiskFacts) else None
    if standing is not None:
        figures["positionBase"] = format_e8(standing.position_e8)
        figures["openOrders"] = standing.open_orders
        if risk is not None and risk.mark_px_e8 > 0:
            figures["positionNotional"] = cents(mul_e8(standing.position_e8, risk.mark_px_e8))
    if risk is not None:
        figures["dayPnl"] = cents(risk.day_pnl_e8)
    if isinstance(quoter, QuoterFacts):
        figures["quoteUptime"] = percent(quoter.two_sided_ppm)
    return figures


def account_summary(view: AccountView) -> dict[str, Any]:
    """Figures of an account, as far as they are known; without their time."""
    figures: dict[str, Any] = {}
    if isinstance(view.risk, RiskFacts):
        figures["equity"] = cents(view.risk.equity_e8)
        figures["grossNotional"] = cents(view.risk.gross_notional_e8)
        figures["marginUsageRatio"] = ratio(view.risk.margin_usage_ppm)
        figures["dayPnl"] = cents(view.risk.day_pnl_e8)
    if isinstance(view.gateway, GatewayFacts):
        figures["rateLimitUsedRatio"] = ratio(view.gateway.rate_limit_used_ppm)
    return figures


def settled_summary(
    figures: Mapping[str, Any], before: Mapping[str, Any], *, now_ms: int, every_s: float
) -> dict[str, Any]:
    """The summary to write: the old one until it is old enough and something in it has moved.

    One time holds for all figures, so none of before is kept beside new ones. What is not known for a moment therefore
    stays as it was, with its time; what is not known for longer goes.
    """
    if not figures:
        return dict(before)
    fresh = {**figures, "asOf": times.from_ms(now_ms)}
    if fresh.keys() - before.keys():
        return fresh
    if times.age_s(before.get("asOf"), now_ms) < every_s:
        return dict(before)
    has_changed = before.keys() != fresh.keys() or any(_moved(key, before[key], figures[key]) for key in figures)
    return fresh if has_changed else dict(before)


def summary_due_s(summary: Mapping[str, Any], *, now_ms: int, every_s: float) -> float | None:
    """Seconds until figures that move would be written again; None where none are waited for."""
    if "asOf" not in summary:
        return None
    left_s = every_s - times.age_s(summary["asOf"], now_ms)
    return left_s if left_s > 0 else None


def _moved(key: str, old: object, new: object) -> bool:
    if old == new:
        return False
    if key == "quoteUptime":
        old_e8, new_e8 = _number(str(old).removesuffix("%")), _number(str(new).removesuffix("%"))
        return old_e8 is None or new_e8 is None or abs(new_e8 - old_e8) >= _UPTIME_BAND_E8
    band = DEAD_BANDS.get(key)
    old_e8, new_e8 = _number(old), _number(new)
    if band is None or old_e8 is None or new_e8 is None:
        return True
    return abs(new_e8 - old_e8) > max(band[0], abs(old_e8) * band[1] // 1000)


def _number(value: object) -> int | None:
    try:
        return parse_e8(str(value))
    except NotADecimalError:
        return None


def market_facts(instrument: Instrument | None, before: Mapping[str, Any]) -> dict[str, Any]:
    """status.market; what was known stays known."""
    if instrument is None:
        return dict(before)
    return {
        "assetId": instrument.asset_id,
        "sizeDecimals": instrument.sz_decimals,
        "maxLeverage": instrument.max_leverage,
    }


def quoter_facts(workload: Workload, quoter: QuoterAnswer, before: Mapping[str, Any]) -> dict[str, Any]:
    """status.quoter."""
    shown: dict[str, Any] = {}
    if workload.pod_name:
        shown = {"podName": workload.pod_name, "image": workload.image, "configHash": workload.config_hash}
    elif workload.exists:
        shown = {key: before[key] for key in ("podName", "image", "configHash") if key in before}
    if isinstance(quoter, QuoterFacts):
        shown["appliedGeneration"] = quoter.applied_generation
        shown["sessionEpoch"] = quoter.epoch
        shown["lastHeartbeatTime"] = times.from_ms(quoter.heard_ms)
    else:
        shown |= {
            key: before[key] for key in ("appliedGeneration", "sessionEpoch", "lastHeartbeatTime") if key in before
        }
    return {key: value for key, value in shown.items() if value != ""}


def differs(fresh: Mapping[str, Any], live: Manifest) -> bool:
    """Whether status has to be written: anything but the time of the last heartbeat is another."""
    return _without_heartbeat(fresh) != _without_heartbeat(live.get("status") or {})


def _without_heartbeat(status: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in status.items() if key != "lastHeartbeatTime"}
    quoter = kept.get("quoter")
    if isinstance(quoter, Mapping):
        kept["quoter"] = {key: value for key, value in quoter.items() if key != "lastHeartbeatTime"}
    return {key: value for key, value in kept.items() if value not in ({}, None)}
