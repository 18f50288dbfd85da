"""One maker's market as somebody sees it who trusts nobody: the exchange's own answers, and whether all books agree."""

from __future__ import annotations

import time
from datetime import datetime
from decimal import Decimal
from typing import Final

import grpc
from tests.e2e.history import Life, complaints, lives
from tests.e2e.house import ACCOUNT, LEVELS, START_S, House
from tests.e2e.watching import passed, watched

from perpmaker.common.decimals import E8

_STATUS_AGE_MS: Final = 3_000
"""Status tells whole seconds, of figures that were a second old."""
_STATUS_BAND: Final = Decimal("0.006")
"""A change of up to half a percent is not told."""


class Desk:
    """A maker of the account, by name. Needs no API server once it was opened."""

    def __init__(self, house: House, name: str, address: str) -> None:
        self._house = house
        self._name = name
        self.market = name.upper()
        self.address = address

    # Looking.

    async def oids(self) -> set[int]:
        """Orders that rest now."""
        return {order["oid"] for order in await self._house.venue.open_orders(self.address, self.market)}

    async def history(self) -> list[Life]:
        """Every order of the market that the exchange remembers."""
        records = await self._house.venue.info("historicalOrders", user=self.address)
        return [life for life in lives(records) if life.market == self.market]

    async def newest(self) -> int:
        """Number of the newest order; 0 when there was none."""
        return max((life.oid for life in await self.history()), default=0)

    async def epoch(self) -> int:
        """Session of the newest order."""
        return (await self.history())[-1].epoch

    async def position(self) -> Decimal:
        """Position at the exchange, signed, base units."""
        state = await self._house.venue.info("clearinghouseState", user=self.address)
        held = {one["position"]["coin"]: one["position"]["szi"] for one in state["assetPositions"]}
        return Decimal(held.get(self.market, "0"))

    async def notional(self) -> Decimal:
        """Absolute value of the position at the exchange, USDC."""
        state = await self._house.venue.info("clearinghouseState", user=self.address)
        held = {one["position"]["coin"]: one["position"]["positionValue"] for one in state["assetPositions"]}
        return abs(Decimal(held.get(self.market, "0")))

    async def fills(self) -> int:
        """Trades of the market so far."""
        return sum(fill["coin"] == self.market for fill in await self._house.venue.fills(self.address))

    # Waiting.

    async def two_sided(self, within_s: float = START_S) -> float:
        """Wait for orders on both sides; seconds it took."""
        began = time.monotonic()

        async def both() -> bool:
            return (await self._house.venue.resting(self.address, self.market)).is_two_sided

        await self._house.until(f"{self.market} is quoted on both sides", both, within_s=within_s)
        return time.monotonic() - began

    async def empty(self, within_s: float = START_S) -> float:
        """Wait until no order rests; seconds it took."""
        began = time.monotonic()

        async def none() -> bool:
            return (await self._house.venue.resting(self.address, self.market)).is_empty

        await self._house.until(f"no order rests in {self.market}", none, within_s=within_s)
        return time.monotonic() - began

    async def placed_after(self, oid: int, within_s: float = START_S) -> float:
        """Wait until orders rest on both sides and all are newer than this one; seconds it took."""
        began = time.monotonic()

        async def renewed() -> bool:
            orders = await self._house.venue.open_orders(self.address, self.market)
            sides = {order["side"] for order in orders}
            return len(sides) == 2 and all(order["oid"] > oid for order in orders)

        await self._house.until(f"{self.market} has new orders only, on both sides", renewed, within_s=within_s)
        return time.monotonic() - began

    async def traded(self, within_s: float = 60.0) -> None:
        """Wait for another fill."""
        before = await self.fills()

        async def more() -> bool:
            return await self.fills() > before

        await self._house.until(f"somebody trades with us in {self.market}", more, within_s=within_s)

    async def requote(self, within_s: float = 30.0) -> None:
        """Return right after an order was replaced: more of the same is under way."""
        before = await self.oids()

        async def changed() -> bool:
            return bool(await self.oids() - before)

        await self._house.until(f"{self.market} is quoted anew", changed, within_s=within_s)

    async def longest_gap(self, for_s: float) -> float:
        """Watch for a while; the longest time without orders on both sides, seconds."""
        async with watched(self._house, self.address) as seen:
            await passed(for_s)
        return seen.longest_gap_s(self._name)

    # Judging.

    async def books_agree(self, within_s: float = 30.0) -> None:
        """Wait for a moment in which exchange and order-state tell the same orders and the same position."""
        told = ""

        async def agree() -> bool:
            nonlocal told
            try:
                before = await self._book()
                orders = await self._house.services.orders(self.market)
                position_e8 = await self._house.services.position_e8(self.market)
                after = await self._book()
            except grpc.RpcError as error:
                told = f"order-state does not answer: {error}"
                return False
            known = {order.oid for order in orders}
            told = f"exchange {after}, order-state {known} and {position_e8 / E8}"
            return before == after == (known, Decimal(position_e8) / E8)

        try:
            await self._house.until(f"exchange and order-state agree about {self.market}", agree, within_s=within_s)
        except AssertionError as error:
            raise AssertionError(f"{error}: {told}") from error

    async def status_agrees(self, within_s: float = START_S) -> None:
        """Wait until status tells a position that the exchange had about when status was written."""
        told = ""

        async def agrees() -> bool:
            nonlocal told
            found = await self._house.api.read("MarketMaker", self._name, self._house.namespace)
            summary = (found.get("status") or {}).get("summary") or {}
            shown, as_of = summary.get("positionBase"), summary.get("asOf")
            if shown is None or as_of is None:
                return False
            since_ms = datetime.fromisoformat(as_of).timestamp() * 1000 - _STATUS_AGE_MS
            held = await self._positions_since(since_ms)
            told = f"status {shown} at {as_of}, exchange {held}"
            return any(abs(position - Decimal(shown)) <= abs(position) * _STATUS_BAND for position in held)

        try:
            await self._house.until(f"status tells the position in {self.market}", agrees, within_s=within_s)
        except AssertionError as error:
            raise AssertionError(f"{error}: {told}") from error

    async def _positions_since(self, since_ms: float) -> list[Decimal]:
        """What the position was at any time from then on, newest first."""
        fills = await self._house.venue.fills(self.address)
        later = [fill for fill in fills if fill["coin"] == self.market and fill["time"] >= since_ms]
        return [await self.position(), *(Decimal(fill["startPosition"]) for fill in later)]

    async def had_one_writer(self) -> None:
        """No two sessions ever had a ladder each, no old one wrote late, and nothing there is not ours."""
        found = complaints(await self.history(), ACCOUNT, LEVELS)
        assert not found, "\n".join(found)

    async def is_sound(self) -> None:
        """All of that at once: what must be so after every fault."""
        await self.books_agree()
        await self.had_one_writer()
        await self.status_agrees()

    async def _book(self) -> tuple[set[int], Decimal]:
        return await self.oids(), await self.position()


async def desk_of(house: House, name: str) -> Desk:
    """A maker that quotes."""
    return Desk(house, name, await house.quoting(name))
