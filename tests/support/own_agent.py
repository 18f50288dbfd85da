"""An account whose owner the test knows, with a gateway that signs by one of its agents."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.support.gateway import TestGateway, running_gateway
from tests.support.venue import TestVenue, VenueClient, key_of

OWNER, AGENT, NEXT_AGENT = 1, 11, 12


def address_of(number: int) -> str:
    """Address of the key of this number."""
    return str(key_of(number).address.lower())


@asynccontextmanager
async def gateway_of_owner(
    venue: TestVenue, directory: Path, *, usdc: int = 100_000, **changes: Any
) -> AsyncIterator[tuple[VenueClient, TestGateway]]:
    """The owner with funds, and a gateway with the key of AGENT, approved under the name "maker"."""
    owner = venue.client(OWNER)
    await venue.control("fund", address=owner.address, usdc=usdc)
    assert (await owner.approve_agent(key_of(AGENT), "maker"))["status"] == "ok"
    key_file = directory / "agent.key"
    key_file.write_text(key_of(AGENT).key.hex())
    key_file.chmod(0o600)
    identity = {"address": owner.address, "key_file": key_file, "expected_signer": None}
    async with running_gateway(venue, directory, **(identity | changes)) as gateway:
        yield owner, gateway


def by_agent(venue: TestVenue, owner: VenueClient) -> VenueClient:
    """Another program that has the gateway's key."""
    return venue.client(AGENT, account=owner.address)
