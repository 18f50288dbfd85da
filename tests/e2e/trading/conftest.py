"""One installation for the tests of a module."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from tests.e2e import audit, diagnosis
from tests.e2e.api import Api
from tests.e2e.cluster.cluster import Cluster
from tests.e2e.house import House, Installation, installed
from tests.e2e.operator_process import OPERATOR
from tests.e2e.workloads import IMAGE


@pytest.fixture(scope="module")
def installation(node_cluster: Cluster) -> Iterator[Installation]:
    """The chart, installed as a user would, in a namespace that enforces restricted Pod Security."""
    with installed(node_cluster, IMAGE) as made:
        yield made


@pytest.fixture(scope="module", autouse=True)
def rights_suffice(request: pytest.FixtureRequest) -> Iterator[None]:
    """At the end of a module: its operator was refused nothing while it had its rights, and asked for no Secret."""
    items = [item for item in request.session.items if item.getparent(pytest.Module) is request.node]
    if not any("installation" in getattr(item, "fixturenames", ()) for item in items):
        yield
        return
    # What is asked for here ends after this: how the installation is taken away is not looked at.
    installation: Installation = request.getfixturevalue("installation")
    yield
    user = f"system:serviceaccount:{installation.namespace}:{OPERATOR}"
    asked = audit.requests(installation.cluster, user)
    assert asked, f"the audit log knows {user}"
    # An uninstall within a test takes the rights away from an operator that still runs, and an upgrade changes them.
    rights = audit.spans(installation.cluster.audit(), installation.namespace, OPERATOR)
    assert audit.trespasses(asked, rights) == []


@pytest_asyncio.fixture
async def house(installation: Installation, node_api: Api, request: pytest.FixtureRequest) -> AsyncIterator[House]:
    """The installation in use; told about when the test fails."""
    yield House(installation, node_api)
    if diagnosis.has_failed(request.node):
        print(diagnosis.of_namespace(installation.cluster, installation.namespace))  # noqa: T201 - shown with the failure
