"""`make interop`: unmodified clients of others against the simulated venue, one line of verdict each.

`python -m tests.interop [FOLDER ...]` runs only the clients in those folders. With PERPMAKER_INTEROP_REQUIRED=1 a
client whose environment cannot be made is a failure; otherwise it is skipped, and said so.
"""

from __future__ import annotations

import os
import sys

from rich.console import Console
from rich.table import Table
from tests.interop.clients import CLIENTS
from tests.interop.environments import MissingToolError, commands_of
from tests.interop.running import run

_LOG_END = 3_000


def main() -> int:
    """Run and print. Exit code 1 if a request failed or a required client could not run."""
    console = Console(width=120, markup=False)
    required = os.environ.get("PERPMAKER_INTEROP_REQUIRED") == "1"
    wanted = sys.argv[1:] or [client.folder for client in CLIENTS]
    if unknown := set(wanted) - {client.folder for client in CLIENTS}:
        console.print(f"no such client: {', '.join(sorted(unknown))}")
        return 2
    table = Table("client", "version", "requests", "passed", "seconds", "verdict")
    failed = False
    for client in CLIENTS:
        if client.folder not in wanted:
            continue
        try:
            commands, variables = commands_of(client)
        except MissingToolError as missing:
            failed = failed or required
            table.add_row(client.folder, "", "", "", "", f"{'FAILED' if required else 'SKIPPED'}: {missing}")
            continue
        report = run(client, commands, variables)
        total = len(report.passed) + len(report.failed)
        verdict = "passed" if not report.failed else "FAILED"
        row = (report.version, str(total), str(len(report.passed)), f"{report.seconds:.0f}", verdict)
        table.add_row(report.client, *row)
        for request, why in report.failed:
            console.print(f"{report.client}: {request}: {why}")
        if report.failed:
            failed = True
            console.print(f"{report.client}: its standard error, at the end:\n{report.log.read_text()[-_LOG_END:]}")
    console.print(table)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
