"""What leaves together, in what pieces, and what each market is told of it."""

from __future__ import annotations

from pathlib import Path

from tests.support.gateway import TestGateway, running_gateway
from tests.support.venue import TestVenue, running
from tests.support.waiting import until

from perpmaker.proto.common.v1 import common_pb2 as common
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb


async def _px(venue: TestVenue, market: str) -> int:
    return round(float((await venue.client().info("allMids"))[market]) * 0.98)


def _orders(gateway: TestGateway, px: int, sz: str, *numbers: int) -> list[pb.PlaceOrder]:
    return [gateway.order(gateway.cloid(number), px=str(px), sz=sz) for number in numbers]


async def _done(gateway: TestGateway, *requests: int) -> None:
    for request in requests:
        await gateway.executed.until(lambda told, r=request: told.request_id == r and told.HasField("done"))  # type: ignore[misc]


async def test_plans_of_several_markets_share_an_action_and_each_hears_of_its_own(tmp_path: Path) -> None:
    markets = ("BTC", "ETH", "SOL")
    async with running() as venue, running_gateway(venue, tmp_path, markets=markets) as gateway:
        btc, eth, sol = [await _px(venue, market) for market in markets]
        first = await gateway.submit("BTC", places=_orders(gateway, btc, "0.001", 1))
        second = await gateway.submit("ETH", places=_orders(gateway, eth, "0.02", 2, 3))
        third = await gateway.submit("SOL", places=_orders(gateway, sol, "0.5", 4))
        await _done(gateway, first, second, third)

        for request, numbers in ((first, (1,)), (second, (2, 3)), (third, (4,))):
            told = gateway.told(request)
            assert told.kinds == ["sent", "outcomes", "done"]
            assert list(told.sent[0].cloids) == [gateway.cloid(number) for number in numbers]
            assert all(told.outcome_of(gateway.cloid(number)).HasField("resting") for number in numbers)
        address = gateway.wallet.account.address
        resting = {order["cloid"]: order["coin"] for order in await venue.client().info("openOrders", user=address)}
        assert resting == {gateway.cloid(n): m for n, m in ((1, "BTC"), (2, "ETH"), (3, "ETH"), (4, "SOL"))}


async def test_a_long_plan_leaves_in_actions_of_at_most_39_items(tmp_path: Path) -> None:
    async with running() as venue, running_gateway(venue, tmp_path) as gateway:
        px = await _px(venue, "BTC")
        told = await gateway.execute(places=_orders(gateway, px, "0.001", *range(1, 81)))
        assert [len(sent.cloids) for sent in told.sent] == [39, 39, 2]
        assert all(told.outcome_of(gateway.cloid(number)).HasField("resting") for number in range(1, 81))
        gone = await gateway.execute(cancels=[pb.CancelOrder(cloid=gateway.cloid(n)) for n in range(1, 81)])
        assert len(gone.sent) == 3
        assert all(gone.outcome_of(gateway.cloid(number)).HasField("cancelled") for number in range(1, 81))


async def test_classes_leave_in_actions_of_their_own(tmp_path: Path) -> None:
    async with running() as venue, running_gateway(venue, tmp_path) as gateway:
        px = await _px(venue, "BTC")
        kinds = (common.TIME_IN_FORCE_IOC, common.TIME_IN_FORCE_POST_ONLY, common.TIME_IN_FORCE_GTC)
        orders = [
            gateway.order(gateway.cloid(n), px=str(px), sz="0.001", time_in_force=kind) for n, kind in enumerate(kinds)
        ]
        told = await gateway.execute(places=orders)
        assert [list(sent.cloids) for sent in told.sent] == [[gateway.cloid(n)] for n in (1, 0, 2)]
        assert told.outcome_of(gateway.cloid(0)).HasField("rejected")
        assert told.outcome_of(gateway.cloid(1)).HasField("resting")
        assert told.outcome_of(gateway.cloid(2)).HasField("resting")


async def test_price_far_from_the_mark_never_leaves(tmp_path: Path) -> None:
    async with running() as venue, running_gateway(venue, tmp_path) as gateway:
        heard = gateway.market_stream("BTC")
        await heard.until(lambda message: message.HasField("context"))
        told = await gateway.execute(places=_orders(gateway, 100, "1", 1))
        assert told.outcome_of(gateway.cloid(1)).not_sent.reason == "price_band"
        assert not told.sent


async def test_doubted_clock_is_measured_again_at_once_and_orders_go_on(tmp_path: Path) -> None:
    async with running() as venue, running_gateway(venue, tmp_path) as gateway:
        px = await _px(venue, "BTC")
        clock = gateway.service.parts.exchange_clock
        clock.doubt()

        async def is_trusted() -> bool:
            return not clock.is_doubted

        await until("the clock is measured again", is_trusted)
        told = await gateway.execute(places=_orders(gateway, px, "0.001", 2))
        assert told.outcome_of(gateway.cloid(2)).HasField("resting")
