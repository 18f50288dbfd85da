"""Clusters for tests: one without a node for the API alone, one with a node and our image for everything else.

Each starts when the first test wants it and ends with the run. Where one cannot start, the tests are skipped and say
why; with PERPMAKER_E2E_REQUIRED=1 that is a failure.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
import pytest_asyncio
from tests.e2e import diagnosis
from tests.e2e.api import Api
from tests.e2e.cluster import assets, needs, places
from tests.e2e.cluster.cluster import Cluster
from tests.e2e.measure import Measure
from tests.e2e.workloads import IMAGE, RESTRICTED
from tools.image.assemble import assemble

_MEASURED: list[tuple[str, str]] = []


def _cannot(reason: str) -> NoReturn:
    if os.environ.get("PERPMAKER_E2E_REQUIRED") == "1":
        pytest.fail(f"no cluster: {reason}")
    pytest.skip(f"no cluster: {reason}")


def _programs(*, has_node: bool) -> Path:
    lack = needs.lacking(has_node=has_node)
    if lack is not None:
        _cannot(lack)
    programs = assets.folder()
    if missing := assets.missing(programs):
        _cannot(f"{programs} lacks {', '.join(missing)}; build them with `python -m tests.e2e.cluster build`")
    return programs


@pytest.fixture(scope="session")
def measured() -> Measure:
    """Note a figure (name, value with unit) for the table at the end of the run."""

    def note(name: str, value: str) -> None:
        _MEASURED.append((name, value))

    return note


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory, measured: Measure) -> Path:
    """Archive of our image, made from the working tree."""
    made = assemble(tmp_path_factory.mktemp("image") / "perpmaker.tar", IMAGE)
    measured("image, unpacked", f"{sum(layer.size_bytes for layer in made.layers) / 1e6:.0f} MB")
    measured("image, assembled in", f"{made.took_s:.1f} s")
    return made.path


@pytest.fixture(scope="session")
def control_cluster(measured: Measure) -> Iterator[Cluster]:
    """API server, controllers and scheduler, without a node: objects are real and pods stay pending."""
    programs = _programs(has_node=False)
    places.sweep()
    began = time.monotonic()
    cluster = Cluster.create(places.folder() / f"control-{os.getpid()}", programs, has_node=False, owned=True)
    measured("cluster without a node, up in", f"{time.monotonic() - began:.1f} s")
    yield cluster
    cluster.down()


@pytest.fixture(scope="session")
def node_cluster(image: Path, measured: Measure) -> Iterator[Cluster]:
    """A whole cluster with one node, NetworkPolicies in force and our image loaded."""
    programs = _programs(has_node=True)
    places.sweep()
    began = time.monotonic()
    cluster = Cluster.create(
        places.folder() / f"node-{os.getpid()}", programs, has_node=True, archives=[image], owned=True
    )
    measured("cluster with a node and our image, up in", f"{time.monotonic() - began:.1f} s")
    yield cluster
    cluster.down()


@pytest_asyncio.fixture
async def control_api(control_cluster: Cluster) -> AsyncIterator[Api]:
    """Administrator of the cluster without a node."""
    async with Api(control_cluster.kubeconfig) as api:
        yield api


@pytest_asyncio.fixture
async def node_api(node_cluster: Cluster) -> AsyncIterator[Api]:
    """Administrator of the cluster with a node."""
    async with Api(node_cluster.kubeconfig) as api:
        yield api


@pytest_asyncio.fixture
async def node_namespace(node_cluster: Cluster, node_api: Api, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """A namespace of the test's own in which restricted Pod Security is enforced; told about when the test fails."""
    async with node_api.namespace(f"test-{secrets.token_hex(4)}", RESTRICTED) as name:
        yield name
        if diagnosis.has_failed(request.node):
            print(diagnosis.of_namespace(node_cluster, name))  # noqa: T201 - pytest shows it with the failure


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let fixtures know whether their test failed."""
    report = yield
    if report.failed:
        item.stash[diagnosis.FAILED] = True
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand the figures of a worker process to the process that prints them."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["measured"] = _MEASURED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take a worker's figures, in the process that has workers."""
    _MEASURED.extend(tuple(figure) for figure in getattr(node, "workeroutput", {}).get("measured", ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was measured."""
    if _MEASURED:
        terminalreporter.section("measured")
        width = max(len(name) for name, _ in _MEASURED)
        for name, value in _MEASURED:
            terminalreporter.write_line(f"{name:<{width}}  {value}")
