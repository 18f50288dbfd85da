"""The account's owner: has two API wallets approved and exchanges the key in the gateway's file now and then."""

from __future__ import annotations

import asyncio
from itertools import cycle
from pathlib import Path
from typing import Final

from tests.support.venue import TestVenue, VenueClient, key_of

AGENTS: Final = {11: "first", 12: "second"}
_OWNER: Final = 1
_KEEPS_S: Final = 75.0


class Owner:
    """One account and the file with its API wallet's key."""

    def __init__(self, venue: TestVenue, folder: Path) -> None:
        self._client: VenueClient = venue.client(_OWNER)
        self._venue = venue
        self._turns = cycle(AGENTS)
        self.key_file = folder / "key"
        self.put_next_key()

    @property
    def address(self) -> str:
        return self._client.address

    async def approve(self) -> None:
        """Open the account, and let both keys trade for it."""
        await self._venue.control("fund", address=self.address, usdc=1_000_000)
        for number, name in AGENTS.items():
            answer = await self._client.approve_agent(key_of(number), name)
            assert answer["status"] == "ok", answer

    def put_next_key(self) -> None:
        """Replace the file in one step."""
        new = self.key_file.with_suffix(".new")
        new.write_text(key_of(next(self._turns)).key.hex())
        new.chmod(0o600)
        new.replace(self.key_file)

    async def rotate(self) -> None:
        """Replace the key now and then, until cancelled."""
        while True:
            await asyncio.sleep(_KEEPS_S)
            self.put_next_key()
