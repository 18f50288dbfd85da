"""What the process itself complains of: errors in the log, and exceptions that nobody waited for."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

from tests.soak.findings import Findings

from perpmaker.common import logs

_EXPECTED: Final = frozenset({"dead_mans_switch.fired"})
"""Errors in the log that faults of the exchange may cause and that lose nothing."""


class _Ear(logging.Handler):
    def __init__(self, findings: Findings) -> None:
        super().__init__(logging.WARNING)
        self._findings = findings

    def emit(self, record: logging.LogRecord) -> None:
        said: Any = record.msg if isinstance(record.msg, dict) else {"event": record.getMessage()}
        name = str(said["event"])
        self._findings.count(f"log {record.levelname.lower()} {name[:60]}")
        if record.levelno >= logging.ERROR and name not in _EXPECTED:
            trace = logging.Formatter().formatException(record.exc_info) if record.exc_info else ""
            self._findings.violate("no error is logged", f"{said} {trace}")


def listen(findings: Findings) -> None:
    """Count every warning of this process from now on, and hold every error against it."""
    logs.configure("soak", "warning")
    logging.getLogger().handlers[:] = [_Ear(findings)]

    def unhandled(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        findings.violate("no exception is unhandled", f"{context}")

    asyncio.get_running_loop().set_exception_handler(unhandled)
