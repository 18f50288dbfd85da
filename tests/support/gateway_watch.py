"""What a gateway says of itself beside what its exchange knows, for tests in which the exchange misbehaves."""

from __future__ import annotations

from collections.abc import Callable

from grpc import aio
from prometheus_client import REGISTRY
from tests.support.gateway import Heard, TestGateway, Told
from tests.support.venue import TestVenue
from tests.support.waiting import until

from perpmaker.proto.gateway.v1 import gateway_pb2 as pb

AccountEvents = Heard[pb.AccountServiceSubscribeResponse]


class Counted:
    """How much a counter of this process has grown since this was made."""

    def __init__(self, name: str, **labels: str) -> None:
        self._name = name
        self._labels = labels
        self._before = self._value()

    def _value(self) -> float:
        return REGISTRY.get_sample_value(self._name, self._labels) or 0.0

    @property
    def grown(self) -> float:
        """The growth so far."""
        return self._value() - self._before


def reconnects(socket: str, reason: str) -> Counted:
    """Losses of one socket for one reason."""
    return Counted("mm_gateway_ws_reconnects_total", socket=socket, reason=reason)


async def is_ready(gateway: TestGateway) -> None:
    """Wait until the gateway is ready."""

    async def says() -> bool:
        return gateway.service.status().ready

    await until("the gateway is ready", says)


async def is_not_ready(gateway: TestGateway, words: str = "") -> None:
    """Wait until the gateway is not ready for a reason with these words."""

    async def says() -> bool:
        status = gateway.service.status()
        return not status.ready and words in status.reason

    await until(f"the gateway is not ready: {words}", says)


async def grows(counted: Counted, by: int = 1) -> None:
    """Wait until a counter has grown by so much."""

    async def has() -> bool:
        return counted.grown >= by

    await until("the counter grows", has)


def event(kind: str) -> Callable[[pb.AccountServiceSubscribeResponse], bool]:
    """Matches account events of a kind."""
    return lambda message: message.WhichOneof("event") == kind


async def mid(venue: TestVenue) -> int:
    """Mid price of BTC, whole quote units."""
    return int(float((await venue.client().info("allMids"))["BTC"]))


async def open_cloids(venue: TestVenue, gateway: TestGateway) -> set[str]:
    """Client ids of the open orders, as the venue knows them."""
    address = gateway.part.address
    return {order["cloid"] for order in await venue.client().info("openOrders", user=address) if "cloid" in order}


async def places(
    venue: TestVenue, gateway: TestGateway, *numbers: int, away: int = 1_000, buy: bool = True, sz: str = "0.001"
) -> Told:
    """Try to place post-only orders this far from the mid; their cloids are those of the numbers."""
    px = await mid(venue) + (-away if buy else away)
    return await gateway.execute(
        places=[gateway.order(gateway.cloid(n), px=str(px - i), sz=sz, buy=buy) for i, n in enumerate(numbers)]
    )


async def rests(venue: TestVenue, gateway: TestGateway, number: int, *, away: int = 1_000, buy: bool = True) -> str:
    """Place an order that rests; its cloid."""
    told = await places(venue, gateway, number, away=away, buy=buy)
    assert told.outcome_of(gateway.cloid(number)).HasField("resting"), told
    return gateway.cloid(number)


async def cancels(gateway: TestGateway, *cloids: str) -> Told:
    """Send a cancel of these orders."""
    return await gateway.execute(cancels=[pb.CancelOrder(cloid=cloid) for cloid in cloids])


async def is_gone(venue: TestVenue, gateway: TestGateway, cloid: str) -> None:
    """Cancel an order as often as it takes, which is what its owner does while it is told that nothing is known."""

    async def once() -> bool:
        await cancels(gateway, cloid)
        return cloid not in await open_cloids(venue, gateway)

    await until("the order is gone", once)


async def trades_on(venue: TestVenue, gateway: TestGateway, number: int) -> None:
    """The gateway is ready, places and cancels, and the venue saw both."""
    await is_ready(gateway)
    cloid = await rests(venue, gateway, number)
    assert cloid in await open_cloids(venue, gateway)
    assert (await cancels(gateway, cloid)).outcome_of(cloid).HasField("cancelled")
    assert cloid not in await open_cloids(venue, gateway)


def rejection(told: Told, cloid: str) -> tuple[pb.RejectionClass.ValueType, str]:
    """Class and text with which an order was refused."""
    outcome = told.outcome_of(cloid)
    assert outcome.HasField("rejected"), outcome
    return getattr(outcome.rejected, "class"), outcome.rejected.text


async def nothing_is_lost(venue: TestVenue, gateway: TestGateway, heard: AccountEvents) -> None:
    """Every fill the venue knows was told, and what the gateway reads is what the venue knows."""
    address = gateway.part.address
    true_fills = {(fill["tid"], fill["oid"]) for fill in await venue.client().info("userFills", user=address)}

    async def all_told() -> bool:
        return {(m.fill.tid, m.fill.oid) for m in heard.messages if m.HasField("fill")} >= true_fills

    await until("every fill is told", all_told)
    assert {(m.fill.tid, m.fill.oid) for m in heard.messages if m.HasField("fill")} == true_fills

    async def read() -> pb.OpenOrders:
        return (await gateway.reference.ListOpenOrders(pb.ListOpenOrdersRequest())).open_orders

    listed = await until("the gateway can read", read, ignoring=aio.AioRpcError)
    assert {order.cloid for order in listed.orders} == await open_cloids(venue, gateway)
