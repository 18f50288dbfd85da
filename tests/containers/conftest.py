"""Chooses how the commands run, once, and says so at the head of the run."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from tests.containers.engines import Engine, choose

IMAGE = os.environ.get("PERPMAKER_IMAGE", "localhost/perpmaker:dev")

_ENGINE = choose(IMAGE)


def pytest_report_header() -> str:
    """Which of the two it is."""
    return f"perpmaker commands run as {_ENGINE.description}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Said again where it is read: beside the result."""
    terminalreporter.write_line(f"perpmaker commands ran as {_ENGINE.description}")


@pytest.fixture
def engine() -> Iterator[Engine]:
    """Starts commands and ends what a test left running."""
    yield _ENGINE
    _ENGINE.close()
