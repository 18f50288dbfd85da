"""A run as lines: JSON objects for programs, sentences for pipes and log files. The last JSON line is the summary."""

from __future__ import annotations

import json
import time
from typing import IO, Any

from perpmaker.common.decimals import format_e8
from perpmaker.local.events import (
    Event,
    Exited,
    Filled,
    Note,
    Quoting,
    Ready,
    Restarted,
    Severity,
    Started,
    Stopping,
    sentence,
    severity,
)
from perpmaker.local.summary import Summary, number
from perpmaker.local.world import MarketView, Snapshot

_STATUS_EVERY_S = 2.0
_PLAIN_STATUS_EVERY_S = 10.0


class _Output:
    """A text stream that may lose its reader: what is written then is dropped, so that the stop stays in order."""

    def __init__(self, out: IO[str]) -> None:
        self._out: IO[str] | None = out

    def line(self, text: str) -> None:
        if self._out is None:
            return
        try:
            self._out.write(text + "\n")
            self._out.flush()
        except BrokenPipeError:
            self._out = None


class JsonLines:
    """One JSON object per line; `t_s` is the time since the run began."""

    def __init__(self, out: IO[str]) -> None:
        self._out = _Output(out)
        self._began_s = time.monotonic()
        self._next_status_s = _STATUS_EVERY_S

    def tell(self, event: Event) -> None:
        """See Reporter."""
        self._write(_document(event))

    def show(self, snapshot: Snapshot) -> None:
        """See Reporter."""
        if snapshot.elapsed_s < self._next_status_s:
            return
        self._next_status_s = snapshot.elapsed_s + _STATUS_EVERY_S
        self._write(
            {
                "event": "status",
                "markets": [_market(market) for market in snapshot.markets],
                "services": {service.name: str(service.condition) for service in snapshot.services},
            }
        )

    def finish(self, summary: Summary) -> None:
        """See Reporter."""
        self._write(summary.as_json())

    def fail(self, reason: str) -> None:
        """See Reporter."""
        self._write({"event": "failed", "reason": reason})

    def _write(self, document: dict[str, Any]) -> None:
        document["t_s"] = round(time.monotonic() - self._began_s, 3)
        self._out.line(json.dumps(document, ensure_ascii=False))


def _document(event: Event) -> dict[str, Any]:
    match event:
        case Started(service=service, pid=pid, log=log):
            return {"event": "started", "service": service, "pid": pid, "log": log}
        case Ready(service=service, after_s=after_s, facts=facts):
            return {"event": "ready", "service": service, "after_s": round(after_s, 3), **facts}
        case Exited(service=service, code=code, reason=reason):
            return {"event": "exited", "service": service, "code": code, "reason": reason}
        case Restarted(service=service, pid=pid, restarts=restarts):
            return {"event": "restarted", "service": service, "pid": pid, "restarts": restarts}
        case Quoting(after_s=after_s):
            return {"event": "quoting", "after_s": round(after_s, 3)}
        case Filled(market=market, is_buy=is_buy, px_e8=px_e8, sz_e8=sz_e8, fee_quote_e8=fee_quote_e8, tid=tid):
            return {
                "event": "fill",
                "symbol": market,
                "side": "buy" if is_buy else "sell",
                "px": number(px_e8),
                "sz": number(sz_e8),
                "fee_quote": number(fee_quote_e8),
                "tid": tid,
            }
        case Note(text=text, severity=level):
            return {"event": "note", "severity": str(level), "text": text}
        case Stopping(reason=reason):
            return {"event": "stopping", "reason": reason}


def _market(market: MarketView) -> dict[str, Any]:
    return {
        "symbol": market.market,
        "mid": number(market.mid_px_e8),
        "resting": len(market.resting),
        "unknown": sum(order.is_unknown for order in market.orders),
        "position": number(market.position_e8),
        "pnl_quote": number(market.pnl_quote_e8),
        "fills": market.fills,
        "two_sided_ratio": None if market.two_sided_ratio is None else round(market.two_sided_ratio, 4),
        "restrictions": list(market.restrictions),
    }


class PlainLines:
    """Sentences, for people who read a pipe or a file; fills are counted, not told one by one."""

    def __init__(self, out: IO[str]) -> None:
        self._out = _Output(out)
        self._next_status_s = 0.0

    def tell(self, event: Event) -> None:
        """See Reporter."""
        if isinstance(event, Filled | Started):
            return
        level = severity(event)
        self._out.line(sentence(event) if level is Severity.INFO else f"{level}: {sentence(event)}")

    def show(self, snapshot: Snapshot) -> None:
        """See Reporter."""
        if snapshot.quoting_s is None or snapshot.quoting_s < self._next_status_s:
            return
        self._next_status_s = snapshot.quoting_s + _PLAIN_STATUS_EVERY_S
        for market in snapshot.markets:
            quoted = "" if market.two_sided_ratio is None else f", quoted {market.two_sided_ratio:.1%}"
            held = f", {', '.join(market.restrictions)}" if market.restrictions else ""
            self._out.line(
                f"{snapshot.quoting_s:5.0f} s  {market.market}: mid {format_e8(market.mid_px_e8)},"
                f" {len(market.resting)} orders, position {format_e8(market.position_e8)},"
                f" P&L {number(market.pnl_quote_e8):+.2f}, {market.fills} fills{quoted}{held}"
            )

    def finish(self, summary: Summary) -> None:
        """See Reporter."""
        for line in summary_sentences(summary):
            self._out.line(line)

    def fail(self, reason: str) -> None:
        """See Reporter."""
        self._out.line(f"failed: {reason}")


def summary_sentences(summary: Summary) -> list[str]:
    """The summary for people."""
    lines = [f"quoted for {summary.duration_s:.1f} s"]
    for market in summary.markets:
        ratio = "-" if market.two_sided_ratio is None else f"{market.two_sided_ratio:.1%}"
        lines.append(
            f"{market.symbol}: {market.quotes_placed} quotes placed, {market.quotes_cancelled} cancelled,"
            f" {market.fills} fills, position {format_e8(market.position_e8)},"
            f" P&L {number(market.pnl_quote_e8):+.2f}, two-sided {ratio}"
        )
    if summary.tick_to_order_p50_ms is not None:
        lines.append(
            f"book frame in to orders out: p50 {summary.tick_to_order_p50_ms} ms, p99 {summary.tick_to_order_p99_ms} ms"
        )
    total_mb = sum(summary.rss_mb.values())
    lines.append(f"memory {total_mb:.0f} MB in {len(summary.rss_mb)} processes")
    if summary.is_ok:
        lines.append("integrity ok: positions, fills and open orders agree with the exchange")
    else:
        lines += ["integrity FAILED:", *(f"  {difference}" for difference in summary.integrity)]
    return lines
