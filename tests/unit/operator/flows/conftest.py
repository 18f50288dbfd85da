"""A trader with kubectl: the whole deciding half of the operator against a cluster in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.support.operator_desk import Desk, desk


@pytest.fixture
async def trader() -> AsyncIterator[Desk]:
    async with desk() as here:
        yield here
