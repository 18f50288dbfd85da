"""One client against a venue of its own: start both, read the client's report, stop both."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from tests.interop.clients import Client
from tests.interop.environments import BUILD

SEED = 11
MARKETS = "BTC,ETH,SOL,HYPE,tst:GOLD,tst:OIL"
_CLIENT_TIMEOUT_S = 900


@dataclass(slots=True)
class Report:
    """What a client's script said: its name and version, and each request with whether it held.

    `log` holds what the client and its venue wrote to standard error.
    """

    client: str
    log: Path
    version: str = "?"
    passed: list[str] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    seconds: float = 0.0


@contextmanager
def _venue(log: IO[str]) -> Iterator[dict[str, Any]]:
    """A venue process with the fixed seed, and its addresses as it prints them. Raises `RuntimeError` if it cannot."""
    perpmaker = str(Path(sys.executable).parent / "perpmaker")
    command = [perpmaker, "venue", "--seed", str(SEED), "--markets", MARKETS, "--sub-account-volume", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line:
                raise RuntimeError("the venue did not start")
            yield json.loads(line)
        finally:
            process.terminate()


def run(client: Client, commands: list[list[str]], variables: dict[str, str]) -> Report:
    """Run a client's scripts to their end. Whatever they did not report as passed is a failure."""
    report = Report(client.folder, log=BUILD / f"{client.folder}.log")
    begin_s = time.monotonic()
    with report.log.open("w") as log:
        for command in commands:
            _run_script(report, client, command, variables, log)
    report.seconds = time.monotonic() - begin_s
    return report


def _run_script(report: Report, client: Client, command: list[str], variables: dict[str, str], log: IO[str]) -> None:
    script = Path(command[-1]).name
    before = len(report.passed) + len(report.failed)
    with _venue(log) as addresses:
        # The variables of the machine's proxies stay out: nothing here is to leave loopback.
        kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        environment = kept | variables | _settings(client, addresses)
        try:
            ended = subprocess.run(
                command,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                timeout=_CLIENT_TIMEOUT_S,
                check=False,
            )
            output, trouble = ended.stdout, f"ended with code {ended.returncode}" if ended.returncode else ""
        except subprocess.TimeoutExpired as late:
            said = late.stdout or ""
            output = said if isinstance(said, str) else said.decode()
            trouble = f"still ran after {_CLIENT_TIMEOUT_S} s"
    for line in output.splitlines():
        _note(report, json.loads(line))
    if trouble:
        report.failed.append((script, trouble))
    if len(report.passed) + len(report.failed) == before:
        report.failed.append((script, "said nothing"))


def _note(report: Report, record: dict[str, Any]) -> None:
    if "client" in record:
        report.client, report.version = record["client"], record["version"]
    elif record["passed"]:
        report.passed.append(record["request"])
    else:
        report.failed.append((record["request"], record["why"]))


def _settings(client: Client, addresses: dict[str, Any]) -> dict[str, str]:
    key = hashlib.sha256(f"interop {client.folder} {SEED}".encode()).hexdigest()
    return {
        "PERPMAKER_API": addresses["api"],
        "PERPMAKER_WS": addresses["ws"],
        "PERPMAKER_CONTROL": addresses["control"],
        "PERPMAKER_KEY": f"0x{key}",
    }
