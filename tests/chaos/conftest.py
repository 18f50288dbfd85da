"""Fault runs: marked, given time, and each closing with one line of verdict."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
VERDICTS: list[str] = []
VERDICT = pytest.StashKey[str]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.chaos)
            item.add_marker(pytest.mark.timeout(240))


@pytest.fixture
def verdict(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Called once at the end of a run with what was seen; printed after all runs, whatever their outcome."""

    def tell(text: str) -> None:
        request.node.stash[VERDICT] = text

    return tell


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> object:
    report: pytest.TestReport = yield
    if report.when == "call" and item.path.is_relative_to(HERE):
        VERDICTS.append(f"{report.outcome.upper():7} {item.name}: {item.stash.get(VERDICT, 'no verdict')}")
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if VERDICTS:
        terminalreporter.section("verdicts")
        for line in VERDICTS:
            terminalreporter.line(line)
