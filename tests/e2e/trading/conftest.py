"""One installation for the tests of a module."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from tests.e2e import diagnosis
from tests.e2e.api import Api
from tests.e2e.cluster.cluster import Cluster
from tests.e2e.house import House, Installation, installed
from tests.e2e.workloads import IMAGE


@pytest.fixture(scope="module")
def installation(node_cluster: Cluster) -> Iterator[Installation]:
    """The chart, installed as a user would, in a namespace that enforces restricted Pod Security."""
    with installed(node_cluster, IMAGE) as made:
        yield made


@pytest_asyncio.fixture
async def house(installation: Installation, node_api: Api, request: pytest.FixtureRequest) -> AsyncIterator[House]:
    """The installation in use; told about when the test fails."""
    yield House(installation, node_api)
    if diagnosis.has_failed(request.node):
        print(diagnosis.of_namespace(installation.cluster, installation.namespace))  # noqa: T201 - shown with the failure
