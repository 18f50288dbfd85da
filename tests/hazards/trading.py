"""Order-state with its store between a session and a gateway at a misbehaving venue.

async with trading(tmp_path) as house:
    order = await house.rest(px=house.px(-1_000), sz="0.001")

In every block of the venue order-state's worst case must allow for at least what can happen there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grpc import aio
from tests.hazards.claims import note_thrown
from tests.hazards.desk import MARKET
from tests.support.gateway import TestGateway, running_gateway
from tests.support.order_state import ACCOUNT
from tests.support.order_state_exchange import Risk, SkippingClock
from tests.support.order_state_stack import Quoter, until
from tests.support.server import StoreServer
from tests.support.venue import TestVenue, running
from tests.support.waiting import HANG_S

from perpmaker.api.parts import OrderStatePart
from perpmaker.common import rpc
from perpmaker.common.service import Endpoint, Runtime
from perpmaker.order_state.app import OrderState
from perpmaker.order_state.core.exposure import exposure_of
from perpmaker.proto.orderstate.v1 import orderstate_pb2 as os_
from perpmaker.proto.risk.v1 import risk_pb2_grpc
from perpmaker.venue.core import Block

_ANSWERED = frozenset({"RESTING", "NEVER_LANDED"})


@dataclass
class Trading:
    """What trades, and what it is compared with."""

    venue: TestVenue
    gateway: TestGateway
    order_state: OrderState
    session: Quoter
    clock: SkippingClock
    mid: int
    understated: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        """The account, in lower case."""
        return self.gateway.wallet.account.address.lower()

    def px(self, away: int) -> str:
        """A price so far from the mid."""
        return str(self.mid + away)

    async def throw(self, switch: str, **how: Any) -> dict[str, Any]:
        """Make the venue misbehave."""
        note_thrown(switch)
        return await self.venue.control(switch, **how)

    async def trade(self, side: str, sz: str) -> None:
        """Somebody takes from the book: "B" buys, "A" sells."""
        done = await self.venue.control("trade", coin=MARKET, side=side, sz=sz)
        assert "filled" in done["result"], done

    async def rest(self, **terms: Any) -> os_.NewOrder:
        """Place an order that must rest; one that a machine out of breath kept from leaving is placed anew."""
        async with asyncio.timeout(HANG_S):
            while True:
                await until(lambda: self.order_state._permissions.of(MARKET)[1], "a permission")
                order = self.session.order(**terms)
                if await self.session.submit(places=[order]) == ["ACCEPTED"]:
                    await until(lambda c=order.cloid: self.session.state(c) in _ANSWERED, "an answer")  # type: ignore[misc]
                    if self.session.state(order.cloid) == "RESTING":
                        return order

    def worst_case(self) -> tuple[int, int]:
        """Lowest and highest position that order-state allows for."""
        truth = self.order_state.truth
        orders = truth.known[MARKET].orders.values()
        return exposure_of(orders, self.clock.now_ms()).worst_case(truth.position(MARKET).sz_e8)

    def true_worst_case(self) -> tuple[int, int]:
        """Lowest and highest position that the venue's books allow."""
        state = self.venue.core.state
        account = state.accounts[self.address]
        asset = self.venue.client().asset(MARKET)
        orders = [order for order in account.open_orders.values() if order.asset == asset]
        szi = account.szi_e8(asset)
        sells = sum(order.sz_e8 for order in orders if not order.is_buy)
        return szi - sells, szi + sum(order.sz_e8 for order in orders if order.is_buy)

    def look(self, _block: Block) -> None:
        """Hold order-state's worst case against the books of the block that was just committed."""
        (low, high), (true_low, true_high) = self.worst_case(), self.true_worst_case()
        if min(0, low) > min(0, true_low) or max(0, high) < max(0, true_high):
            self.understated.append(f"{low} to {high} allowed for, {true_low} to {true_high} true")

    async def agree(self) -> None:
        """Wait until order-state allows for exactly what can happen; nothing may have been understated on the way."""
        try:
            await until(lambda: self.worst_case() == self.true_worst_case(), "agreement")
        except AssertionError as error:
            orders = list(self.order_state.truth.known[MARKET].orders.values())
            raise AssertionError(f"{error}: {self.worst_case()}, {self.true_worst_case()}, {orders}") from None
        assert self.understated == []


@asynccontextmanager
async def trading(directory: Path, **part: Any) -> AsyncIterator[Trading]:
    """A session that may trade; `part` are fields of GatewayPart."""
    store = StoreServer(directory)
    store.start()
    clock = SkippingClock()
    risk_server = aio.server(options=rpc.SERVER_OPTIONS)
    risk_pb2_grpc.add_RiskServiceServicer_to_server(Risk(clock, (MARKET,)), risk_server)
    risk_target = f"unix:{directory}/risk.sock"
    risk_server.add_insecure_port(risk_target)
    await risk_server.start()
    orders_part = OrderStatePart(
        endpoint=Endpoint(listen=f"unix:{directory}/orders.sock"),
        account=ACCOUNT,
        markets=(MARKET,),
        redis_url=store.url,
        gateway_target=f"unix:{directory}/gateway.sock",
        risk_target=risk_target,
        safety_sync_s=2.0,
    )
    runtime = Runtime("order-state")
    order_state = OrderState(runtime, orders_part, clock)
    server = aio.server(options=rpc.SERVER_OPTIONS)
    order_state.register(server)
    server.add_insecure_port(orders_part.endpoint.listen)
    await server.start()
    session = Quoter(orders_part.endpoint.listen, MARKET)
    try:
        async with running() as venue:
            runtime.spawn(order_state.start(), name="start-order-state")
            target = orders_part.endpoint.listen
            async with running_gateway(venue, directory, order_state_target=target, **part) as gateway:
                await until(lambda: runtime.is_ready, "order-state is ready")
                await session.acquire()
                await session.watch()
                mid = int(float((await venue.client().info("allMids"))[MARKET]))
                house = Trading(venue, gateway, order_state, session, clock, mid)
                venue.core.on_block = house.look
                yield house
                await house.agree()
    finally:
        await session.close()
        await order_state.stop()
        await runtime.cancel_tasks()
        await server.stop(grace=None)
        await risk_server.stop(grace=None)
        store.kill()
