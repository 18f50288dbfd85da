"""Order entry against the simulated venue over real gRPC: what is told is what the exchange holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.support.gateway import TestGateway, running_gateway
from tests.support.venue import TestVenue, running
from tests.support.waiting import until

from perpmaker.proto.gateway.v1 import gateway_pb2 as pb


async def _open_cloids(venue: TestVenue, gateway: TestGateway) -> set[str]:
    address = gateway.wallet.account.address
    return {order["cloid"] for order in await venue.client().info("openOrders", user=address)}


async def _mid(venue: TestVenue) -> int:
    return int(float((await venue.client().info("allMids"))["BTC"]))


async def test_order_rests_is_replaced_and_is_cancelled(tmp_path: Path) -> None:
    async with running() as venue, running_gateway(venue, tmp_path) as gateway:
        px = await _mid(venue) - 1000
        first, second = gateway.cloid(1), gateway.cloid(2)

        placed = await gateway.execute(places=[gateway.order(first, px=str(px), sz="0.001")])
        assert placed.kinds == ["sent", "outcomes", "done"]
        assert placed.outcome_of(first).HasField("resting")
        assert await _open_cloids(venue, gateway) == {first}

        replacement = pb.ModifyOrder(old_cloid=first, order=gateway.order(second, px=str(px - 10), sz="0.002"))
        modified = await gateway.execute(modifies=[replacement])
        assert modified.outcome_of(second).HasField("resting")
        assert list(modified.sent[0].cloids) == [second]
        assert await _open_cloids(venue, gateway) == {second}

        cancelled = await gateway.execute(cancels=[pb.CancelOrder(cloid=second)])
        assert cancelled.outcome_of(second).HasField("cancelled")
        assert await _open_cloids(venue, gateway) == set()


async def test_one_plan_sends_cancel_modify_and_place_in_this_order(tmp_path: Path) -> None:
    async with running() as venue, running_gateway(venue, tmp_path) as gateway:
        px = await _mid(venue) - 1000
        orders = [gateway.order(gateway.cloid(n), px=str(px - n), sz="0.001") for n in (1, 2)]
        await gateway.execute(places=orders)

        told = await gateway.execute(
            cancels=[pb.CancelOrder(cloid=gateway.cloid(1))],
            modifies=[
                pb.ModifyOrder(
                    old_cloid=gateway.cloid(2), order=gateway.order(gateway.cloid(3), px=str(px - 20), sz="0.001")
                )
            ],
            places=[gateway.order(gateway.cloid(4), px=str(px - 30), sz="0.001")],
        )

        assert [sent.action for sent in told.sent] == [
            pb.ACTION_KIND_CANCEL,
            pb.ACTION_KIND_MODIFY,
            pb.ACTION_KIND_PLACE,
        ]
        nonces = [sent.nonce for sent in told.sent]
        assert nonces == sorted(set(nonces))
        assert told.sent[0].expires_after_ms == 0
        assert told.sent[2].expires_after_ms > 0
        assert await _open_cloids(venue, gateway) == {gateway.cloid(3), gateway.cloid(4)}


async def test_refusals_keep_their_class_and_the_rest_of_the_batch(tmp_path: Path) -> None:
    async with running() as venue, running_gateway(venue, tmp_path) as gateway:
        mid = await _mid(venue)
        maker = venue.client(9)
        await venue.control("fund", address=maker.address, usdc=1_000_000)
        await maker.place("BTC", is_buy=False, px=str(mid), sz="1")
        crossing = gateway.order(gateway.cloid(1), px=str(mid + 100), sz="0.001")
        resting = gateway.order(gateway.cloid(2), px=str(mid - 1000), sz="0.001")

        told = await gateway.execute(places=[crossing, resting])

        refused = told.outcome_of(gateway.cloid(1)).rejected
        assert getattr(refused, "class") == pb.REJECTION_CLASS_POST_ONLY_CROSS, refused.text
        assert told.outcome_of(gateway.cloid(2)).HasField("resting")


@pytest.mark.parametrize("drop", ["drop_after_commit", "drop_before_commit"])
async def test_lost_answer_is_resolved_by_the_same_bytes_over_rest(tmp_path: Path, drop: str) -> None:
    """The post's answer never comes; the REST copy lands only if the first did not."""
    async with running() as venue, running_gateway(venue, tmp_path, post_timeout_ms=200) as gateway:
        px = await _mid(venue) - 1000
        await venue.control(drop, n=1)
        cloid = gateway.cloid(1)

        told = await gateway.execute(places=[gateway.order(cloid, px=str(px), sz="0.001")])

        outcome = told.outcome_of(cloid)
        if drop == "drop_after_commit":
            assert outcome.unknown.reason == "duplicate_nonce"
        else:
            assert outcome.HasField("resting")
        assert await _open_cloids(venue, gateway) == {cloid}
        status = await gateway.reference.GetOrderStatus(pb.GetOrderStatusRequest(cloid=cloid))
        assert status.found
        assert status.update.status == "open"


async def test_both_copies_lost_is_unknown_until_the_nonce_is_burned(tmp_path: Path) -> None:
    async with running() as venue, running_gateway(venue, tmp_path, post_timeout_ms=200) as gateway:
        px = await _mid(venue) - 1000
        await venue.control("drop_before_commit", n=2)
        cloid = gateway.cloid(1)

        told = await gateway.execute(places=[gateway.order(cloid, px=str(px), sz="0.001")])
        assert told.outcome_of(cloid).HasField("unknown")

        burn = pb.BurnNonceRequest(nonce=told.sent[0].nonce)
        assert (await gateway.execution.BurnNonce(burn)).result == pb.BURN_RESULT_BURNED
        assert (await gateway.execution.BurnNonce(burn)).result == pb.BURN_RESULT_ALREADY_USED
        assert await _open_cloids(venue, gateway) == set()


async def test_answer_after_the_timeout_is_still_told(tmp_path: Path) -> None:
    async with running() as venue, running_gateway(venue, tmp_path, post_timeout_ms=100) as gateway:
        px = await _mid(venue) - 1000
        cloid = gateway.cloid(1)
        await venue.control("delay", channel="ack", ms=1_000)

        number = await gateway.submit(places=[gateway.order(cloid, px=str(px), sz="0.001")])

        await gateway.executed.until(
            lambda told: told.HasField("outcomes") and any(item.HasField("resting") for item in told.outcomes.items)
        )
        outcomes = gateway.told(number).outcomes_of(cloid)
        assert outcomes[-1].HasField("resting")
        assert all(outcome.HasField("unknown") for outcome in outcomes[:-1])


async def test_socket_loss_makes_posts_in_flight_unknown_at_once(tmp_path: Path) -> None:
    async with running() as venue, running_gateway(venue, tmp_path) as gateway:
        px = await _mid(venue) - 1000
        cloid = gateway.cloid(1)
        await venue.control("drop_after_commit", n=1)
        number = await gateway.submit(places=[gateway.order(cloid, px=str(px), sz="0.001")])
        await until("the order is at the exchange", lambda: _open_cloids(venue, gateway))

        await venue.control("disconnect", all=True)

        await gateway.executed.until(lambda told: told.request_id == number and told.HasField("done"))
        assert gateway.told(number).outcome_of(cloid).unknown.reason == "socket_closed"


async def test_cancel_goes_by_rest_while_the_socket_is_down_and_placements_do_not(tmp_path: Path) -> None:
    async with running() as venue, running_gateway(venue, tmp_path) as gateway:
        px = await _mid(venue) - 1000
        cloid = gateway.cloid(1)
        await gateway.execute(places=[gateway.order(cloid, px=str(px), sz="0.001")])
        await venue.control("disconnect", all=True, for_ms=60_000)

        async def is_down() -> bool:
            return not gateway.service.status().ready

        await until("the gateway notices", is_down)
        told = await gateway.execute(
            cancels=[pb.CancelOrder(cloid=cloid)], places=[gateway.order(gateway.cloid(2), px=str(px), sz="0.001")]
        )

        assert told.outcome_of(cloid).HasField("cancelled")
        assert told.outcome_of(gateway.cloid(2)).not_sent.reason == "not_connected"


@pytest.mark.parametrize(
    ("request_changes", "reason"),
    [
        ({"epoch": 1}, "fenced"),
        ({"epoch": 2, "not_after_ms": 1}, "permission_expired"),
        ({"epoch": 2, "market": "DOGE"}, "unknown_market"),
    ],
)
async def test_placements_without_right_are_not_sent_and_cancels_are(
    tmp_path: Path, request_changes: dict[str, Any], reason: str
) -> None:
    async with running() as venue, running_gateway(venue, tmp_path) as gateway:
        px = await _mid(venue) - 1000
        mine = gateway.cloid(1)
        await gateway.execute(epoch=2, places=[gateway.order(mine, px=str(px), sz="0.001")])

        told = await gateway.execute(
            cancels=[pb.CancelOrder(cloid=mine)],
            places=[gateway.order(gateway.cloid(2), px=str(px), sz="0.001")],
            modifies=[pb.ModifyOrder(old_cloid=mine, order=gateway.order(gateway.cloid(3), px=str(px), sz="0.001"))],
            **request_changes,
        )

        assert told.outcome_of(gateway.cloid(2)).not_sent.reason == reason
        assert told.outcome_of(gateway.cloid(3)).not_sent.reason == reason
        if reason != "unknown_market":
            assert told.outcome_of(mine).HasField("cancelled")
            assert await _open_cloids(venue, gateway) == set()


async def test_disarmed_market_takes_cancels_only_until_armed(tmp_path: Path) -> None:
    async with running() as venue, running_gateway(venue, tmp_path) as gateway:
        px = await _mid(venue) - 1000
        await gateway.execution.Disarm(pb.DisarmRequest(reason="test"))
        refused = await gateway.execute(places=[gateway.order(gateway.cloid(1), px=str(px), sz="0.001")])
        assert refused.outcome_of(gateway.cloid(1)).not_sent.reason == "disarmed"
        await gateway.execution.Arm(pb.ArmRequest())
        placed = await gateway.execute(places=[gateway.order(gateway.cloid(2), px=str(px), sz="0.001")])
        assert placed.outcome_of(gateway.cloid(2)).HasField("resting")


async def test_own_ceiling_refuses_placements_and_never_cancels(tmp_path: Path) -> None:
    async with running() as venue, running_gateway(venue, tmp_path, max_actions_per_minute=2) as gateway:
        px = await _mid(venue) - 1000
        orders = [gateway.order(gateway.cloid(n), px=str(px - n), sz="0.001") for n in (1, 2)]
        await gateway.execute(places=orders)

        told = await gateway.execute(
            cancels=[pb.CancelOrder(cloid=gateway.cloid(n)) for n in (1, 2)],
            places=[gateway.order(gateway.cloid(n), px=str(px - n), sz="0.001") for n in (3, 4)],
        )

        assert told.outcome_of(gateway.cloid(3)).not_sent.reason == "budget"
        assert await _open_cloids(venue, gateway) == set()


async def test_nonces_begin_above_the_highest_recorded(tmp_path: Path) -> None:
    async with running() as venue:
        recorded = venue.core.state.now_ms + 60_000
        async with running_gateway(venue, tmp_path, highest_nonce=recorded) as gateway:
            px = await _mid(venue) - 1000
            told = await gateway.execute(places=[gateway.order(gateway.cloid(1), px=str(px), sz="0.001")])
            assert told.sent[0].nonce > recorded
            assert told.outcome_of(gateway.cloid(1)).HasField("resting")


async def test_stopping_tells_open_plans_unknown(tmp_path: Path) -> None:
    async with running() as venue, running_gateway(venue, tmp_path) as gateway:
        px = await _mid(venue) - 1000
        await venue.control("drop_after_commit", n=1)
        number = await gateway.submit(places=[gateway.order(gateway.cloid(1), px=str(px), sz="0.001")])
        await gateway.executed.until(lambda told: told.HasField("sent"))

        await gateway.service.stop()

        await gateway.executed.until(lambda told: told.request_id == number and told.HasField("done"))
        assert gateway.told(number).outcome_of(gateway.cloid(1)).unknown.reason == "shutdown"


async def test_latency_and_condition_are_reported(tmp_path: Path) -> None:
    async with running() as venue, running_gateway(venue, tmp_path) as gateway:
        px = await _mid(venue) - 1000
        market = gateway.market_stream("BTC")
        bbo = await market.until(lambda message: message.trace.receive_time_ns > 0)
        order = gateway.order(gateway.cloid(1), px=str(px), sz="0.001")
        await gateway.execute(places=[order], receive_time_ns=bbo.trace.receive_time_ns)

        status = await gateway.reference.GetStatus(pb.GetStatusRequest())

        assert status.ready, status.reason
        assert status.signer_address == gateway.wallet.account.signer
        assert status.tick_to_order.count == 1
        assert status.tick_to_order.p50_us > 0
        assert status.sign.count >= 1
        assert status.round_trip.count == 1
        assert abs(status.clock_offset_ms) < 250
        assert status.address_budget_left > 0
