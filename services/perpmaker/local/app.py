"""`perpmaker up`: start everything, watch it, stop it in order, and say whether the books agree.

Exit codes: 0 only when the ordered stop left an empty book and the ledger agrees with the exchange; 1 when something
failed; 2 when the input cannot be used and nothing was started.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

from perpmaker.api.load import load
from perpmaker.common import logs
from perpmaker.local.lines import JsonLines, PlainLines
from perpmaker.local.options import UpOptions
from perpmaker.local.places import PlaceError, Places, open_places
from perpmaker.local.reporting import Reporter
from perpmaker.local.run import BAD_INPUT, OK, Run
from perpmaker.local.topology import AccountPlan, plan_accounts


def main(options: UpOptions) -> int:
    """Run the system of the given files; returns the exit code."""
    loaded = load(options.files)
    plans = plan_accounts(loaded.accounts, loaded.makers)
    if not loaded.report.ok or not plans:
        return BAD_INPUT
    names = [plan.name for plan in plans]
    if len(set(names)) != len(names):
        _say("two accounts of different namespaces have the same name; without Kubernetes names must be unique")
        return BAD_INPUT
    try:
        places = open_places(options.data_dir)
    except PlaceError as error:
        _say(str(error))
        return BAD_INPUT
    keep_data = True
    try:
        with _logs_in(places.log("up"), options.log_level or "info"):
            code = asyncio.run(_carry_out(options, plans, places))
        keep_data = code != OK
    finally:
        places.close(keep_data=keep_data)
    if keep_data:
        _say(f"logs and records are kept in {places.data}")
    return code


async def _carry_out(options: UpOptions, plans: tuple[AccountPlan, ...], places: Places) -> int:
    return await Run(options, plans, places, _reporter(options)).carry_out()


def _say(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201


def _reporter(options: UpOptions) -> Reporter:
    if options.json_lines:
        return JsonLines(sys.stdout)
    if sys.stdout.isatty():
        from rich.console import Console

        from perpmaker.local.view import LiveView

        return LiveView(Console())
    return PlainLines(sys.stdout)


@contextlib.contextmanager
def _logs_in(path: Path, level: str) -> Iterator[None]:
    """Send the runner's own logs to a file: the terminal belongs to the view, stdout to the JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        logs.configure("up", level)
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.StreamHandler):
                handler.setStream(file)
        yield
