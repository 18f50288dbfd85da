"""`perpmaker store`: the store of one account as a process of its own, for whom several machines are no obstacle.

It becomes the server: after the checks this process *is* valkey-server (or redis-server), with the same pid, so signals
reach it directly. Everything it writes goes into the data directory; no other place needs to be writable.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from perpmaker.local.store import StoreUnusableError, fsync_policy, server_binary

PORT = 6379

_DEFAULT_OFF = re.compile(r"^\s*user\s+default\s+(?=.*\boff\b)(?!.*\bon\b)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How the server is run."""

    data: Path
    """Directory of the append-only file, the only place that is written."""
    acl_file: Path
    """Users and what they may do."""
    host: str = "0.0.0.0"
    port: int = PORT


def command(binary: Path, options: ServerOptions) -> tuple[str, ...]:
    """The server's command line. Pure."""
    return (
        str(binary),
        *("--bind", options.host),
        *("--port", str(options.port)),
        *("--dir", str(options.data)),
        *("--aclfile", str(options.acl_file)),
        *("--appendonly", "yes"),
        *("--appendfsync", fsync_policy(binary)),
        *("--save", ""),
        *("--maxmemory-policy", "noeviction"),
        *("--daemonize", "no"),
        *("--logfile", ""),
    )


def check(options: ServerOptions) -> None:
    """See that the server will find what it needs and lets in nobody unnamed. Raises StoreUnusableError."""
    try:
        text = options.acl_file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StoreUnusableError(
            f"--acl-file {options.acl_file} cannot be read ({error}); mount the Secret with the store's users there"
        ) from error
    if not _DEFAULT_OFF.search(text):
        # Without such a line the server leaves its default user as it was made: without a password, allowed everything.
        raise StoreUnusableError(
            f"--acl-file {options.acl_file} leaves the default user on, so anybody could read and write; begin it with"
            " the line: user default off"
        )
    if not options.data.is_dir() or not os.access(options.data, os.W_OK | os.X_OK):
        raise StoreUnusableError(
            f"--data {options.data} is no directory that user {os.getuid()} can write; mount a volume there that this"
            " user owns (fsGroup)"
        )


def main(options: ServerOptions) -> NoReturn:
    """Become the server. Raises StoreUnusableError."""
    check(options)
    line = command(server_binary(), options)
    sys.stdout.flush()
    os.execv(line[0], line)  # noqa: S606 - the point: no shell, this very process
