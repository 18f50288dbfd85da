"""Structured logs: one JSON object per line on stderr, with anything that could be key material removed."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, cast

import structlog

_SECRET = re.compile(r"(?<![0-9a-fA-F])(?:0x)?[0-9a-fA-F]{64}(?![0-9a-fA-F])")
REDACTED = "[redacted]"


def redact(text: str) -> str:
    """Replace every run of 32 bytes in hex, with or without 0x: keys look like that, and so do their leaks."""
    return _SECRET.sub(REDACTED, text)


def _redact_value(value: object) -> object:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, bytes):
        return REDACTED
    if isinstance(value, dict):
        return {key: _redact_value(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_redact_value(inner) for inner in value]
    if isinstance(value, BaseException):
        return redact(repr(value))
    return value


def _redact_event(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        event[key] = _redact_value(value)
    return event


def set_level(level: str) -> None:
    """Say more or less from now on; `level` is a standard name in any case."""
    logging.getLogger().setLevel(level.upper())


def configure(component: str, level: str, **context: str) -> None:
    """Send all logs of this process, the standard library's included, through one redacting JSON pipeline.

    `level` is a standard name in any case; `context` (account, market) is put on every line.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
        structlog.processors.format_exc_info,
        _redact_event,
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        # The level may change while loggers are cached, so it is looked up for each event.
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
            foreign_pre_chain=shared,
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    set_level(level)
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(component=component, **context)


def get(name: str) -> structlog.typing.FilteringBoundLogger:
    """Logger of a module."""
    return cast("structlog.typing.FilteringBoundLogger", structlog.get_logger(name))
