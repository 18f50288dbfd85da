"""The terminal view and the line reporters, drawn from values without any service."""

from __future__ import annotations

import io
import json

from rich.console import Console
from tests.support.local import market_view, snapshot

from perpmaker.local.events import Exited, Note, Ready, Restarted, Severity
from perpmaker.local.lines import JsonLines, PlainLines
from perpmaker.local.summary import MarketResult, Summary
from perpmaker.local.view import event_line, render

SUMMARY = Summary(
    duration_s=30.0,
    markets=(MarketResult("BTC", 120, 110, 8, 1_230_000, 1_230_000, 12_34000000, 0.98765),),
    open_orders_at_exit=0,
    unresolved_orders=0,
    tick_to_order_p50_ms=0.9,
    tick_to_order_p99_ms=2.5,
    rss_mb={"gateway/demo": 61.0},
    integrity=(),
)


def drawn(*events: object, width: int = 100) -> str:
    console = Console(record=True, width=width, height=30, file=io.StringIO(), color_system=None)
    lines = [event_line(event, 12.0) for event in events]  # type: ignore[arg-type]
    console.print(render(snapshot(market_view("BTC"), market_view("ETH", unknown=1)), lines, width=width))
    return console.export_text()


def test_the_view_fits_a_terminal_of_100_by_30() -> None:
    text = drawn(*(Restarted("risk/demo", 1, n) for n in range(40)))
    assert len(text.splitlines()) <= 29
    assert max(len(line) for line in text.splitlines()) <= 100


def test_both_markets_are_side_by_side_with_their_ladders() -> None:
    lines = drawn().splitlines()
    assert any("BTC" in line and "ETH" in line for line in lines)
    assert any("64,298.5" in line for line in lines), "best bid"
    assert any("64,322.5" in line for line in lines), "best ask"
    assert any(line.count("64,310.5") == 2 for line in lines), "mid"


def test_position_profit_fills_and_quoted_share_are_shown() -> None:
    text = drawn()
    for wanted in ("0.0123", "+12.34", "23", "98.2%", "1 unknown", "1 restart "):
        assert wanted in text


def test_a_narrow_terminal_stacks_the_markets() -> None:
    lines = drawn(width=60).splitlines()
    assert not any("BTC" in line and "ETH" in line for line in lines)
    assert any("ETH" in line for line in lines)


def test_the_last_json_line_is_the_summary_with_its_fields() -> None:
    out = io.StringIO()
    reporter = JsonLines(out)
    reporter.tell(Ready("venue", 0.5, {"api": "http://127.0.0.1:1"}))
    reporter.show(snapshot(market_view()))
    reporter.finish(SUMMARY)
    documents = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [document["event"] for document in documents] == ["ready", "status", "summary"]
    assert documents[0]["api"] == "http://127.0.0.1:1"
    summary = documents[-1]
    assert summary["integrity"] == "ok"
    assert summary["tick_to_order_ms"] == {"p50": 0.9, "p99": 2.5}
    assert summary["markets"] == [
        {
            "symbol": "BTC",
            "quotes_placed": 120,
            "quotes_cancelled": 110,
            "fills": 8,
            "position": 0.0123,
            "venue_position": 0.0123,
            "pnl_quote": 12.34,
            "two_sided_ratio": 0.9877,
        }
    ]


def test_plain_lines_name_what_died_and_why() -> None:
    out = io.StringIO()
    reporter = PlainLines(out)
    reporter.tell(Exited("risk/demo", -9, ""))
    reporter.tell(Exited("gateway/demo", 2, "the key belongs to another address"))
    reporter.tell(Note("careful", Severity.WARNING))
    assert out.getvalue().splitlines() == [
        "error: risk/demo died (killed by signal 9)",
        "error: gateway/demo died (exit code 2): the key belongs to another address",
        "warning: careful",
    ]
