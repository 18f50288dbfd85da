"""`make bench`: what this machine measured, beside its budgets and its own floor. No figure can fail a build."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import aiohttp
import grpc
import msgspec
from rich.console import Console
from tests.bench import decoding, noise, report, sending, signing, stack, venue
from tests.bench.report import Figure

from perpmaker.common import logs

Part = Callable[[], Sequence[Figure]]

PARTS: dict[str, tuple[Part, str]] = {
    "sign": (signing.figures, "one action of ten orders: build, hash, sign, serialise"),
    "send": (sending.figures, "plans from request to bytes on the order-entry socket"),
    "decode": (decoding.figures, "frames of each stream to messages in a reader's hands"),
    "venue": (venue.figures, "the simulated exchange: time, actions, listeners"),
    "stack": (stack.figures, "the whole stack: trading path, event path, kill, recovery, memory"),
}

_NOT_MEASURED = (RuntimeError, AssertionError, OSError, TimeoutError, grpc.RpcError, aiohttp.ClientError)
"""What a part raises when the thing measured did not do what it should; the other parts are shown all the same."""

_READING = (
    "x floor: times the least that this machine could do, measured in the same run. Where the fixed work is far from"
    " steady, others use the cores: compare ratios, not figures."
)


def _arguments() -> argparse.Namespace:
    listed = "\n".join(f"  {name:8}{summary}" for name, (_, summary) in PARTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description="Measure the trading path and the simulated exchange beside their budgets.",
        epilog=f"parts:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help="what to measure; everything when none is named")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    arguments = parser.parse_args()
    unknown = [part for part in arguments.parts if part not in PARTS]
    if unknown:
        parser.error(f"unknown part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    return arguments


def main() -> int:
    """Measure and print. Returns 1 when a part could not be measured, whatever the figures are."""
    arguments = _arguments()
    logs.configure("bench", "warning")
    console = Console(width=report.WIDTH)
    on = report.machine()
    console.print(f"[bold]perpmaker bench[/] {on['cpu']}, {on['cores']} cores, Python {on['python']}, {on['date']}")
    measured: dict[str, Sequence[Figure]] = {}
    failed: list[str] = []
    steadiness = [noise.figure("before")]
    for name, (measure, summary) in PARTS.items():
        if arguments.parts and name not in arguments.parts:
            continue
        console.print(f"{name}: {summary} ...")
        begun_s = time.monotonic()
        try:
            measured[name] = measure()
        except _NOT_MEASURED as error:
            failed.append(name)
            console.print(f"  {name} could not be measured: {error}", markup=False)
        console.print(f"  {time.monotonic() - begun_s:.0f} s")
    measured["noise"] = [*steadiness, noise.figure("after")]
    console.print(report.table(measured))
    console.print(_READING)
    if arguments.json is not None:
        arguments.json.write_bytes(msgspec.json.format(msgspec.json.encode(report.document(measured))))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
