"""`make bench`: what this machine measured, beside the budget and its own floor. Nothing here can fail a build."""

from __future__ import annotations

import datetime
import os
import platform
from pathlib import Path

import uvloop
from rich.console import Console
from rich.table import Table
from tests.bench import floor, signing, stack, venue
from tests.bench.stack import Quantiles

from perpmaker.common.metrics import Reservoir

_QUANTILES = (0.5, 0.9, 0.99)


def _machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if "model name" in line), platform.machine())
    today = datetime.datetime.now(tz=datetime.UTC).date()
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}, {today}"


def _of(samples: Reservoir) -> Quantiles:
    return Quantiles(*samples.quantiles(_QUANTILES), samples.count)


def _verdict(value: float, budget: float) -> str:
    return "met" if value <= budget else f"MISSED x{value / budget:.1f}"


def _exchange_table() -> Table:
    table = Table("simulated exchange, one core", "measured", "at least", "verdict")

    def row(name: str, value: float, least: float) -> None:
        verdict = "met" if value >= least else f"MISSED x{least / value:.1f}"
        table.add_row(name, f"{value:,.0f}", f"{least:,.0f}", verdict)

    row("simulated seconds of one busy market in a CPU second", venue.simulated_seconds_per_cpu_second(), 50)
    crowd = f"{venue.ACCOUNTS} accounts in {venue.MARKETS} markets"
    row(f"actions a CPU second, {crowd}, no signatures", venue.actions_per_cpu_second(with_signatures=False), 2_000)
    row(f"actions a CPU second, {crowd}, signatures", venue.actions_per_cpu_second(with_signatures=True), 300)
    heard = uvloop.run(venue.fan_out())
    delay = _of(heard.delay_us)
    everyone = f"{venue.SUBSCRIBERS} listeners on the same core"
    table.add_row(f"messages a second to {everyone}", f"{heard.messages_per_s:,.0f}", "", "")
    table.add_row("  bytes a second", f"{heard.bytes_per_s:,.0f}", "", "")
    table.add_row(
        "  block committed to message read, microseconds", f"{delay.p50_us:,.0f} / {delay.p99_us:,.0f}", "", ""
    )
    table.add_row("  CPU of both ends for a message, microseconds", f"{heard.cpu_us_per_message:,.1f}", "", "")
    return table


def main() -> None:
    """Measure and print."""
    console = Console(width=132)
    console.print(f"[bold]perpmaker bench[/] {_machine()}")
    console.print("measuring the floor and signatures ...")
    hop, store, sign = _of(floor.stream_ping_pong()), _of(floor.store_round_trip()), _of(signing.sign_ten_orders())
    paced_hop, paced_store = _of(floor.stream_ping_pong(floor.PACE_S)), _of(floor.store_round_trip(floor.PACE_S))
    console.print("measuring the simulated exchange ...")
    exchange = _exchange_table()
    console.print(f"measuring the stack for {stack.MEASURE_S} s, then killing each service once ...")
    figures = uvloop.run(stack.measure())

    table = Table("path, microseconds", "p50", "p90", "p99", "samples", "budget p50 / p99", "verdict p50 / p99")
    path_floor_us = 1.5 * paced_hop.p50_us + paced_store.p50_us

    def row(name: str, seen: Quantiles, budget: tuple[float, float] | None) -> None:
        table.add_row(
            name,
            *(f"{value:,.0f}" for value in (seen.p50_us, seen.p90_us, seen.p99_us)),
            str(seen.count or ""),
            "" if budget is None else f"{budget[0]:,.0f} / {budget[1]:,.0f}",
            "" if budget is None else f"{_verdict(seen.p50_us, budget[0])} / {_verdict(seen.p99_us, budget[1])}",
        )

    row("floor: stream ping-pong, 10 orders", hop, None)
    row("floor: the same, 20 a second", paced_hop, None)
    row("floor: store round trip", store, None)
    row("floor: the same, 20 a second", paced_store, None)
    row("sign one action of 10 orders", sign, (60, 150))
    row("sign, in the running gateway", figures.sign, None)
    row("book frame in to signed orders out", figures.tick_to_order, (1_000, 3_000))
    row("order event in to subscribers", figures.event_to_subscribers, (200, 1_000))
    kill = Quantiles(figures.kill_us, figures.kill_us, figures.kill_us, 1)
    row("kill trip to book verified empty", kill, (1_000_000, 1_000_000))
    console.print(table)
    console.print(
        "the last includes the exchange's own answers; its budget is the second end to end. Not measured: kill trip to"
        " last cancel on the wire, budget 50 ms p50 and 200 ms p99"
    )
    console.print(
        f"book frame in to signed orders out is {figures.tick_to_order.p50_us / path_floor_us:.1f} x its floor of"
        f" {path_floor_us:,.0f} us (three one-way hops and one store round trip, 20 a second)"
    )

    recovery = Table("SIGKILL to ready again", "seconds", "budget p50 3 s")
    for service, seconds in figures.recovery_s.items():
        recovery.add_row(service, f"{seconds:.2f}", _verdict(seconds, 3))
    console.print(recovery)

    memory = Table("memory at the end", "MB RSS", "budget")
    account_mb = 0.0
    for service, mb in sorted(figures.rss_mb.items()):
        is_quoter = service.startswith("quoter")
        if service.split("/")[0] in {"gateway", "order-state", "risk"}:
            account_mb += mb
        memory.add_row(service, f"{mb:.0f}", f"70: {_verdict(mb, 70)}" if is_quoter else "")
    memory.add_row("gateway + order-state + risk", f"{account_mb:.0f}", f"250: {_verdict(account_mb, 250)}")
    console.print(memory)
    console.print(exchange)


if __name__ == "__main__":
    main()
