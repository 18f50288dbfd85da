"""Resolve against the simulated venue: the verdict is what the exchange holds."""

from __future__ import annotations

from pathlib import Path

from tests.support.gateway import TestGateway, running_gateway
from tests.support.venue import TestVenue, running

from perpmaker.proto.gateway.v1 import gateway_pb2 as pb


async def _lost(venue: TestVenue, gateway: TestGateway, fault: str) -> pb.ResolveRequest:
    """Place an order of whose fate the gateway hears nothing."""
    px = int(float((await venue.client().info("allMids"))["BTC"])) - 1000
    await venue.control(fault, n=2)
    told = await gateway.execute(places=[gateway.order(gateway.cloid(1), px=str(px), sz="0.001")])
    assert told.outcome_of(gateway.cloid(1)).HasField("unknown")
    sent = told.sent[0]
    return pb.ResolveRequest(cloid=gateway.cloid(1), nonce=sent.nonce, expires_after_ms=sent.expires_after_ms)


async def _open_cloids(venue: TestVenue, gateway: TestGateway) -> set[str]:
    orders = await venue.client().info("openOrders", user=gateway.wallet.account.address)
    return {order["cloid"] for order in orders}


async def test_placement_whose_answer_was_lost_landed(tmp_path: Path) -> None:
    async with running() as venue, running_gateway(venue, tmp_path, post_timeout_ms=200) as gateway:
        told = await gateway.execution.Resolve(await _lost(venue, gateway, "drop_after_commit"))
        assert (told.resolution, told.proof) == (pb.RESOLUTION_LANDED, "status")
        assert told.update.status == "open"
        assert told.market == "BTC"
        assert await _open_cloids(venue, gateway) == {gateway.cloid(1)}


async def test_placement_that_was_lost_is_dead_and_stays_so(tmp_path: Path) -> None:
    async with running() as venue, running_gateway(venue, tmp_path, post_timeout_ms=200) as gateway:
        question = await _lost(venue, gateway, "drop_before_commit")
        told = await gateway.execution.Resolve(question)
        assert (told.resolution, told.proof) == (pb.RESOLUTION_DEAD, "nonce_burned")
        assert told.burn == pb.BURN_RESULT_BURNED
        assert await _open_cloids(venue, gateway) == set()
        # Asked again, the noop of the first answer stands in the way of a second one; absence is proof all the same.
        again = await gateway.execution.Resolve(question)
        assert again.resolution == pb.RESOLUTION_DEAD
        assert again.proof in ("nonce_used", "expired")
        assert again.open_orders_as_of_ms > 0


async def test_exchange_that_answers_nothing_leaves_it_unknown(tmp_path: Path) -> None:
    async with running() as venue, running_gateway(venue, tmp_path, post_timeout_ms=200) as gateway:
        question = await _lost(venue, gateway, "drop_before_commit")
        await venue.control("disconnect", all=True, for_ms=60_000, rest=True)
        told = await gateway.execution.Resolve(question)
        assert (told.resolution, told.proof) == (pb.RESOLUTION_STILL_UNKNOWN, "nothing")
