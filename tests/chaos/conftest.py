"""Fault runs: marked, given time, and each closing with one line of verdict."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
VERDICT = "verdict"
TOLD = pytest.StashKey[str]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.chaos)
            item.add_marker(pytest.mark.timeout(240))


@pytest.fixture
def verdict(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Called once at the end of a run with what was seen; printed after all runs, whatever their outcome."""

    def tell(text: str) -> None:
        request.node.stash[TOLD] = text

    return tell


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call" and item.path.is_relative_to(HERE):
        # Properties travel with the report, also from the processes that share a run.
        report.user_properties.append((VERDICT, item.stash.get(TOLD, "no verdict")))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.getreports(outcome)]
    lines = [
        f"{report.outcome.upper():7} {report.nodeid.rpartition('::')[2]}: {text}"
        for report in reports
        for name, text in report.user_properties
        if name == VERDICT
    ]
    if lines:
        terminalreporter.section("verdicts")
        for line in lines:
            terminalreporter.line(line)
