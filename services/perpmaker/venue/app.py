"""`perpmaker venue`: run the simulated exchange until told to stop.

Prints one JSON line with its addresses when it listens, exits 2 with one message when it cannot.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from datetime import UTC, datetime

import uvloop

from perpmaker.venue.answer_rules import answer_rules
from perpmaker.venue.engine.markets import list_markets
from perpmaker.venue.flow.replay.queueing import queue_model
from perpmaker.venue.flow.replay.schema import RecordingError
from perpmaker.venue.options import VenueOptions
from perpmaker.venue.shell.latency import parse_latencies
from perpmaker.venue.shell.server import PortInUseError, running_venue

__all__ = ["VenueOptions", "main"]


def main(options: VenueOptions) -> None:
    """Serve until SIGTERM or SIGINT. Exits with 2 when an option is wrong or a port is taken."""
    try:
        list_markets(options.markets)
    except ValueError as error:
        _fail(f"--markets: {error}")
    try:
        parse_latencies(options.latencies)
    except ValueError as error:
        _fail(f"--latencies: {error}")
    try:
        answer_rules(options.answers)
    except ValueError as error:
        _fail(f"--answers: {error}")
    try:
        queue_model(options.queue)
    except ValueError as error:
        _fail(f"--queue: {error}")
    try:
        uvloop.run(_serve(options))
    except RecordingError as error:
        _fail(f"--replay: {error}")
    except OSError as error:
        if options.record is None or error.filename != str(options.record):
            raise
        _fail(f"--record: {options.record}: {error.strerror}")
    except PortInUseError as error:
        _fail(
            f"cannot listen on {error.host}:{error.port} ({error.reason}); "
            f"choose another with {error.option}, or {error.option} 0 for any free port"
        )


def _fail(message: str) -> None:
    print(f"perpmaker venue: {message}", file=sys.stderr)  # noqa: T201
    sys.exit(2)


def _say(event: dict[str, str], *, to_stdout: bool = False) -> None:
    line = event | {"component": "venue", "level": "info", "ts": datetime.now(UTC).isoformat()}
    print(json.dumps(line), file=sys.stdout if to_stdout else sys.stderr, flush=True)


async def _serve(options: VenueOptions) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running_venue(options, lambda address: _say({"event": "funded", "address": address})) as running:
        listening = {"api": running.api_url, "ws": running.ws_url, "control": running.control_url}
        _say({"event": "listening"} | listening, to_stdout=True)
        await stop.wait()
