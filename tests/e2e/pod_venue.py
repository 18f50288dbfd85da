"""The simulated exchange inside the cluster, asked directly: what rests there is the truth status must agree with."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.e2e.netns import NetnsHttp

API_PORT = 8010
CONTROL_PORT = 8011


@dataclass(frozen=True, slots=True)
class Resting:
    """What an account has in one market's book."""

    bids: int
    asks: int

    @property
    def is_two_sided(self) -> bool:
        """Orders on both sides."""
        return self.bids > 0 and self.asks > 0

    @property
    def is_empty(self) -> bool:
        """No order at all."""
        return self.bids == 0 and self.asks == 0


class PodVenue:
    """Asks one venue pod. Every call raises OSError while the pod cannot be reached."""

    def __init__(self, pid: Callable[[], int]) -> None:
        """`pid` names a process of the venue's pod as the host numbers it; asked again for each call."""
        self._pid = pid

    async def info(self, type_: str, **fields: Any) -> Any:
        """One request to /info, at the control plane, where an observer is not limited."""
        return await asyncio.to_thread(self._post, CONTROL_PORT, "/info", {"type": type_, **fields})

    async def exchange(self, envelope: dict[str, Any]) -> Any:
        """One signed action to /exchange."""
        return await asyncio.to_thread(self._post, API_PORT, "/exchange", envelope)

    async def control(self, op: str, **fields: Any) -> Any:
        """One operation of the control plane, which only the pod's own loopback reaches: its result."""
        answer = await asyncio.to_thread(self._post, CONTROL_PORT, "/", {"op": op, **fields})
        assert answer["ok"], answer
        return answer["result"]

    async def open_orders(self, address: str, market: str | None = None) -> list[dict[str, Any]]:
        """Orders of an account, of one market or of all."""
        orders: list[dict[str, Any]] = await self.info("openOrders", user=address)
        return [order for order in orders if market is None or order["coin"] == market]

    async def resting(self, address: str, market: str) -> Resting:
        """How many orders rest on each side."""
        orders = await self.open_orders(address, market)
        bids = sum(order["side"] == "B" for order in orders)
        return Resting(bids=bids, asks=len(orders) - bids)

    async def fills(self, address: str) -> list[dict[str, Any]]:
        """Newest fills of an account, at most 2,000."""
        fills: list[dict[str, Any]] = await self.info("userFills", user=address)
        return fills

    def _post(self, port: int, path: str, body: dict[str, Any]) -> Any:
        connection = NetnsHttp(self._pid(), port)
        try:
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        assert answer.status == 200, (answer.status, text[:300])
        return json.loads(text)
