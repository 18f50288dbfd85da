"""`perpmaker venue`: run the simulated exchange until told to stop.

Prints one JSON line with its addresses when it listens, exits 2 with one message when it cannot.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import uvloop

from perpmaker.venue.answer_rules import answer_rules
from perpmaker.venue.engine.audit import BrokenInvariantError
from perpmaker.venue.engine.markets import list_markets
from perpmaker.venue.engine.order_rules import OrderRules
from perpmaker.venue.faults.operation import BadOperationError
from perpmaker.venue.faults.schedule import BadScheduleError
from perpmaker.venue.flow.replay.queueing import queue_model
from perpmaker.venue.flow.replay.schema import RecordingError
from perpmaker.venue.journal.replay import BadJournalError, replay
from perpmaker.venue.journal.writer import JournalExistsError
from perpmaker.venue.options import VenueOptions
from perpmaker.venue.shell.doors import limits_of
from perpmaker.venue.shell.latency import parse_latencies
from perpmaker.venue.shell.operations import readable_operations
from perpmaker.venue.shell.server import PortInUseError, build, running_venue
from perpmaker.venue.switches import with_switches

__all__ = ["VenueOptions", "main", "replay_journal", "show_faults"]


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
        with_switches(OrderRules(), options.order_rules)
    except ValueError as error:
        _fail(f"--order-rules: {error}")
    try:
        limits_of(options)
    except ValueError as error:
        _fail(f"--limit-rules: {error}")
    try:
        queue_model(options.queue)
    except ValueError as error:
        _fail(f"--queue: {error}")
    try:
        uvloop.run(_serve(options))
    except (BadScheduleError, BadOperationError) as error:
        _fail(f"--faults: {error}")
    except JournalExistsError as error:
        _fail(f"--journal: {error}")
    except BrokenInvariantError as error:
        _say({"event": "broken", "level": "critical", "error": str(error)})
        sys.exit(1)
    except RecordingError as error:
        _fail(f"--replay: {error}")
    except OSError as error:
        if options.journal and error.filename == options.journal:
            _fail(f"--journal: {options.journal}: {error.strerror}")
        if options.record is None or error.filename != str(options.record):
            raise
        _fail(f"--record: {options.record}: {error.strerror}")
    except PortInUseError as error:
        _fail(
            f"cannot listen on {error.host}:{error.port} ({error.reason}); "
            f"choose another with {error.option}, or {error.option} 0 for any free port"
        )


def show_faults() -> None:
    """Print every operation of the control port."""
    print(readable_operations())  # noqa: T201


def replay_journal(path: Path) -> None:
    """Run a journal again and print what came of it. Exits with 1 when it differs, 2 when it cannot be run."""
    try:
        verdict = replay(path, build)
    except (BadJournalError, OSError, ValueError) as error:
        _fail(f"replay-journal: {error}")
    told = {
        "height": verdict.height,
        "stateHash": verdict.state_hash,
        "hashesChecked": verdict.hashes_checked,
        "answersChecked": verdict.answers_checked,
        "endedInOrder": verdict.was_stopped,
        "broke": verdict.broke or None,
        "differences": verdict.differences,
    }
    print(json.dumps(told))  # noqa: T201
    if verdict.differences:
        sys.exit(1)


def _fail(message: str) -> NoReturn:
    print(f"perpmaker venue: {message}", file=sys.stderr)  # noqa: T201
    sys.exit(2)


def _say(event: dict[str, str], *, to_stdout: bool = False) -> None:
    line = {"level": "info"} | event | {"component": "venue", "ts": datetime.now(UTC).isoformat()}
    print(json.dumps(line), file=sys.stdout if to_stdout else sys.stderr, flush=True)


async def _serve(options: VenueOptions) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running_venue(options, lambda address: _say({"event": "funded", "address": address})) as running:
        listening = {"api": running.api_url, "ws": running.ws_url, "control": running.control_url}
        _say({"event": "listening"} | listening, to_stdout=True)
        ends = {asyncio.create_task(stop.wait()), asyncio.create_task(running.clockwork.has_broken.wait())}
        _, waiting = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for end in waiting:
            end.cancel()
        if running.clockwork.broken is not None:
            raise running.clockwork.broken
