"""Our side of the market: a few orders on each side that are placed, moved, cancelled and filled without end.

It knows of its orders what the gateway tells, asks when it is told that nothing is known, and looks now and then at the
list of open orders as an order-state does.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from tests.soak.account_listener import AccountListener
from tests.soak.findings import Findings
from tests.soak.market_listener import MarketListener
from tests.soak.orders import Known, Orders, Sent
from tests.soak.witness import Top

from perpmaker.common.decimals import E8
from perpmaker.gateway.account_hub import FILL_OVERLAP_MS
from perpmaker.gateway.connections.rest import ReadError
from perpmaker.gateway.orders.execution import Execution
from perpmaker.gateway.reads import AccountReads
from perpmaker.gateway.resolution import Question
from perpmaker.gateway.resolving import PlacementResolver
from perpmaker.hyperliquid.rules import InstrumentRules
from perpmaker.proto.common.v1 import common_pb2 as common
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb

LEVELS: Final = 3
_NOTIONAL_E8: Final = 400 * E8
_MOST_INVENTORY_E8: Final = 6_000 * E8
_PAUSE_S: Final = (0.2, 1.2)
_CANCEL_AGAIN_MS: Final = 4_000
_AUDIT_EVERY_S: Final = 15.0
_ASK_AGAIN_S: Final = 1.0


@dataclass
class Trader:
    """Trades all markets of one gateway."""

    execution: Execution
    resolver: PlacementResolver
    reads: AccountReads
    orders: Orders
    account: AccountListener
    view: MarketListener
    rules: dict[str, InstrumentRules]
    findings: Findings
    rng: Random
    is_quoting: bool = True
    _requests: int = 0
    _cloids: int = 0
    _resolving: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def quote(self, market: str) -> None:
        """Send one small plan after another until told to stop quoting, then cancel what is left, until cancelled."""
        while True:
            await asyncio.sleep(self.rng.uniform(*_PAUSE_S))
            if not self.is_quoting:
                await self.submit(market, cancels=self._due_cancels(market, self.orders.alive()))
            elif (top := self.view.tops.get(market)) is not None and self.view.live.get(market):
                await self.submit(market, **self._plan(market, top))
            self._resolve_unknown()

    async def audit(self) -> None:
        """Look at the list of open orders and at the fills now and then, until cancelled."""
        since_ms = self.orders.now_ms()
        while True:
            await asyncio.sleep(_AUDIT_EVERY_S)
            begun_ms = self.orders.now_ms()
            try:
                seen = await self.reads.open_orders()
                for order in self.orders.suspects(seen.orders, seen.as_of_ms):
                    answer = await self.reads.order_status(order.place.cloid)
                    self.findings.count("audit asked")
                    if answer.found:
                        self.orders.status(answer.update, "audit")
                self.account.take_read(await self.reads.fills(since_ms - FILL_OVERLAP_MS))
                since_ms = begun_ms
            except ReadError as error:
                self.findings.count(f"audit failed {error.reason}")

    async def submit(self, market: str, **parts: Any) -> None:
        """Send one plan, if there is anything in it."""
        if not any(parts.values()):
            return
        self._requests += 1
        request = pb.ExecuteRequest(
            trace=common.Trace(market=market, epoch=1), request_id=self._requests, expires_in_ms=3_000, **parts
        )
        for place in (*request.places, *(modify.order for modify in request.modifies)):
            self.orders.add(market, place)
        now_ms = self.orders.now_ms()
        for old in (*(c.cloid for c in request.cancels), *(m.old_cloid for m in request.modifies)):
            self.orders.by_cloid[old].leaving_ms = now_ms
        self.findings.count("sent place", len(request.places))
        self.findings.count("sent modify", len(request.modifies))
        self.findings.count("sent cancel", len(request.cancels))
        await self.execution.execute(request, self._told)

    def _told(self, told: pb.ExecuteResponse) -> None:
        match told.WhichOneof("event"):
            case "sent":
                self.orders.sent(told.sent)
            case "outcomes":
                self.orders.outcomes(told.outcomes)

    def _plan(self, market: str, top: Top) -> dict[str, Any]:
        is_buy = self.rng.random() < 0.5
        alive = [o for o in self.orders.of(market, *_LIVE) if (o.place.side == common.SIDE_BUY) == is_buy]
        settled = [o for o in alive if o.known is Known.OPEN and not o.leaving_ms]
        due = self._due_cancels(market, [o for o in alive if o.leaving_ms])
        order = self._order(market, is_buy, top)
        choice = self.rng.random()
        if order is None:
            return {"cancels": due + _cancels(settled)}
        if len(alive) < LEVELS and choice < 0.7:
            return {"cancels": due, "places": [order]}
        if not settled:
            return {"cancels": due}
        old = self.rng.choice(settled)
        if choice < 0.4:
            return {"cancels": due, "modifies": [pb.ModifyOrder(old_cloid=old.place.cloid, order=order)]}
        if choice < 0.8:
            return {"cancels": due + _cancels([old]), "places": [order]}
        return {"cancels": due + _cancels([old])}

    def _order(self, market: str, is_buy: bool, top: Top) -> pb.PlaceOrder | None:
        """The next order of a side; None when there is too much of that side already, or no price."""
        bid, ask = top
        if bid is None or ask is None:
            return None
        rules, held_e8 = self.rules[market], self.account.position_e8[market]
        adds = held_e8 * bid[0] // E8 * (1 if is_buy else -1)
        if adds > _MOST_INVENTORY_E8:
            return None
        takes = self.rng.random() < 0.05
        px_e8 = (ask if takes == is_buy else bid)[0]
        for _ in range(0 if takes else self.rng.randint(0, LEVELS)):
            px_e8 = rules.tick_below(px_e8) if is_buy else rules.tick_above(px_e8)
        self._cloids += 1
        return pb.PlaceOrder(
            cloid=f"0x{self._cloids:032x}",
            side=common.SIDE_BUY if is_buy else common.SIDE_SELL,
            px_e8=px_e8,
            sz_e8=rules.round_size_down(_NOTIONAL_E8 * E8 // px_e8),
            time_in_force=common.TIME_IN_FORCE_IOC if takes else common.TIME_IN_FORCE_POST_ONLY,
        )

    def _due_cancels(self, market: str, orders: list[Sent]) -> list[pb.CancelOrder]:
        long_ago = self.orders.now_ms() - _CANCEL_AGAIN_MS
        return _cancels([o for o in orders if o.market == market and o.leaving_ms < long_ago])

    def _resolve_unknown(self) -> None:
        for done in [cloid for cloid, task in self._resolving.items() if task.done()]:
            self._resolving.pop(done).result()
        for cloid, order in self.orders.by_cloid.items():
            if order.known is Known.UNKNOWN and cloid not in self._resolving:
                self._resolving[cloid] = asyncio.create_task(self._resolve(order))

    async def _resolve(self, order: Sent) -> None:
        question = Question(order.place.cloid, order.nonce, order.expires_ms)
        while order.known is Known.UNKNOWN:
            answer = await self.resolver.resolve(question)
            if answer.HasField("update"):
                self.orders.status(answer.update, "resolver")
            elif answer.resolution == pb.RESOLUTION_LANDED:
                self.orders.learn(order.place.cloid, Known.OPEN, f"resolver {answer.proof}")
            elif answer.resolution == pb.RESOLUTION_DEAD:
                self.orders.learn(order.place.cloid, Known.NEVER, f"resolver {answer.proof}")
            else:
                await asyncio.sleep(_ASK_AGAIN_S)


_LIVE: Final = (Known.SENT, Known.UNKNOWN, Known.OPEN)


def _cancels(orders: list[Sent]) -> list[pb.CancelOrder]:
    return [pb.CancelOrder(cloid=order.place.cloid) for order in orders]
