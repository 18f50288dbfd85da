"""The quoter as a service: real gRPC on unix sockets, scripted peers behind them."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import aio
from prometheus_client import REGISTRY
from tests.support.quoter import PX, part
from tests.support.quoter_peers import TAG, Peers, until
from tests.support.quoter_running import Running, quoting
from tests.support.waiting import HANG_S
from tests.support.waiting import until as wait_until

from perpmaker.api.parts import QuoterPart
from perpmaker.common.cloid import mint
from perpmaker.common.decimals import E8
from perpmaker.common.service import Runtime, StartError
from perpmaker.proto.common.v1 import common_pb2 as common
from perpmaker.proto.orderstate.v1 import orderstate_pb2 as orders
from perpmaker.proto.quoter.v1 import quoter_pb2 as pb
from perpmaker.quoter.app import QuoterApp
from perpmaker.quoter.values import LiveState

BUY, SELL = common.SIDE_BUY, common.SIDE_SELL


async def test_a_quoter_fills_both_sides_and_becomes_ready(tmp_path: Path) -> None:
    async with quoting(tmp_path) as quoter:
        await quoter.is_full()
        await quoter.is_ready()
        assert len(quoter.orders.on(BUY)) == len(quoter.orders.on(SELL)) == 2
        assert {order.time_in_force for order in quoter.orders.live} == {common.TIME_IN_FORCE_POST_ONLY}
        status = await quoter.status()
        assert (status.quoting, status.epoch, len(status.target)) == (True, 1, 4)
        assert status.mid_px_e8 == PX
    assert not quoter.orders.live
    assert not quoter.orders.doubled


def exported(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, {"market": "BTC", **labels}) or 0.0


async def test_what_happens_is_exported(tmp_path: Path) -> None:
    names = (
        "mm_quoter_two_sided_seconds_total",
        "mm_quoter_cycle_seconds_count",
        "mm_quoter_tick_to_order_seconds_count",
    )
    before = [exported(name) for name in names]
    placed = exported("mm_quoter_requotes_total", action="place", reason="new_level")
    async with quoting(tmp_path) as quoter:
        await quoter.is_full()
        quoter.gateway.trade(PX)
        await until("the quotes are counted", lambda: exported("mm_quoter_quotes_live", side="buy") == 2)
        steps = itertools.count(1)

        def have_moved() -> bool:
            # Only a frame whose own cycle sends a plan counts, and one may come while the last plan is under way.
            quoter.gateway.move(PX + next(steps) % 2 * 20 * E8)
            return all(exported(name) > was for name, was in zip(names, before, strict=True))

        await until("counters moved", have_moved)
        quoter.gateway.move(PX + 40 * E8)
        await until("the mid follows", lambda: exported("mm_mid_price") == (PX + 40 * E8) / E8)
        assert exported("mm_quoter_requotes_total", action="place", reason="new_level") >= placed + 4
        assert exported("mm_quoter_half_spread_bps", side="sell") > 0
        assert exported("mm_spread_bps") > 0
        assert exported("mm_sigma") > 0
        assert exported("mm_jump_ratio") >= 1
        assert 0 <= exported("mm_quoter_market_data_age_seconds") < HANG_S
        assert exported("mm_quoter_mode_info", mode="Active") == 1
        assert exported("mm_quoter_applied_generation") == exported("mm_quoter_session_epoch") == 1


def plans(quoter: Running) -> list[orders.SubmitRequest]:
    """What it has submitted, messages without a number apart."""
    return [request for request in quoter.orders.requests if request.trace.sequence]


async def test_a_plan_carries_the_frame_that_caused_it(tmp_path: Path) -> None:
    # With a spread that does not breathe, no timer has a plan of its own.
    async with quoting(tmp_path, age_ms=60_000, model="Fixed", fixed_half_spread_bps=5.0) as quoter:
        await quoter.is_full()
        quoter.gateway.frozen = True
        # A frame that comes while orders are in doubt is spent on a cycle that leaves them alone.
        await quoter.is_at_rest()
        sent = len(plans(quoter))
        quoter.gateway.move(PX + 60 * E8)
        await until("a plan follows", lambda: len(plans(quoter)) > sent)
        assert plans(quoter)[sent].trace.receive_time_ns == quoter.gateway.receive_ns
        sequences = [plan.trace.sequence for plan in plans(quoter)]
        assert sequences == list(range(1, len(sequences) + 1))


async def test_quotes_follow_the_book_by_replacement_with_one_order_per_level(tmp_path: Path) -> None:
    async with quoting(tmp_path) as quoter:
        await quoter.is_full()
        for step in range(1, 6):
            quoter.gateway.move(PX + step * 40 * E8)
            wanted = quoter.gateway.mid_e8
            await until(
                "the ladder surrounds the new mid",
                lambda wanted=wanted: (
                    len(quoter.orders.live) == 4
                    and max(o.px_e8 for o in quoter.orders.on(BUY)) > wanted - 40 * E8
                    and min(o.px_e8 for o in quoter.orders.on(SELL)) > wanted
                ),
            )
        assert sum(len(request.replaces) for request in quoter.orders.requests) >= 4
    assert not quoter.orders.doubled


async def test_orders_of_an_earlier_session_are_adopted(tmp_path: Path) -> None:
    peers = Peers(tmp_path)
    for is_buy, px_e8 in ((True, PX - 36 * E8), (False, PX + 5_000 * E8)):
        peers.order_state.put(
            common.Order(
                cloid=mint(TAG, 1, 9, is_buy=is_buy, level=0),
                side=BUY if is_buy else SELL,
                px_e8=px_e8,
                sz_e8=500_000,
                epoch=1,
            ),
            common.ORDER_STATE_RESTING,
        )
    peers.order_state.epoch = 1
    far = mint(TAG, 1, 9, is_buy=False, level=0)
    async with quoting(tmp_path, peers=peers) as quoter:
        await until("the stray is cancelled", lambda: peers.order_state.orders[far] not in peers.order_state.live)
        await quoter.is_full()
        assert (await quoter.status()).epoch == 2
    assert not peers.order_state.doubled


async def test_a_held_market_gets_nothing_new_and_quotes_again_when_released(tmp_path: Path) -> None:
    peers = Peers(tmp_path)
    peers.order_state.held = True
    async with quoting(tmp_path, peers=peers) as quoter:
        await until("the gate is seen", lambda: quoter.app._desk.reasons == ("held",))
        assert not any(request.places or request.replaces for request in peers.order_state.requests)
        assert not quoter.runtime.is_ready
        peers.order_state.hold(False)
        await quoter.is_full()
        await quoter.is_ready()


async def test_a_frozen_feed_pulls_every_quote(tmp_path: Path) -> None:
    async with quoting(tmp_path, age_ms=300) as quoter:
        await quoter.is_full()
        quoter.gateway.frozen = True
        await quoter.is_full(0)
        await quoter.is_ready(False)
        quoter.gateway.frozen = False
        await quoter.is_full()


async def test_a_feed_said_to_be_down_makes_the_quoter_not_ready(tmp_path: Path) -> None:
    async with quoting(tmp_path) as quoter:
        await quoter.is_ready()
        quoter.gateway.set_live(False)
        await quoter.is_ready(False)
        quoter.gateway.set_live(True)
        await quoter.is_ready()


async def test_a_kill_empties_the_book_at_once(tmp_path: Path) -> None:
    async with quoting(tmp_path) as quoter:
        await quoter.is_full()
        quoter.risk.permission.killed = True
        quoter.risk.publish()
        await quoter.is_full(0)
        await quoter.is_ready(False)


async def test_four_quick_fills_take_their_side_out_of_the_book(tmp_path: Path) -> None:
    async with quoting(tmp_path, levels=4) as quoter:
        await quoter.is_full(8)
        for order in quoter.orders.on(BUY):
            quoter.orders.fill(order)
        await until("the burst is seen", lambda: "burst_buy" in quoter.app._desk.reasons and not quoter.orders.on(BUY))
        assert quoter.orders.on(SELL)


async def test_a_quoter_that_was_replaced_stops_without_touching_its_successors_orders(tmp_path: Path) -> None:
    async with quoting(tmp_path) as quoter:
        await quoter.is_full()
        await quoter.is_ready()
        quoter.orders.verdict = orders.VERDICT_FENCED
        quoter.gateway.move(PX + 20 * E8)
        await quoter.is_ready(False)
        assert (await quoter.status()).reasons[0] == "fenced"
    assert len(quoter.orders.live) == 4


async def test_a_quoter_that_was_replaced_returns_when_its_successor_is_silent(tmp_path: Path) -> None:
    async with quoting(tmp_path) as quoter:
        await quoter.is_full()
        await quoter.is_ready()
        order_state = quoter.peers.order_state
        order_state.verdict, order_state.epoch = orders.VERDICT_FENCED, 2
        quoter.gateway.move(PX + 20 * E8)
        await quoter.is_ready(False)
        order_state.verdict, order_state.newest_is_silent = orders.VERDICT_ACCEPTED, True
        await quoter.is_ready()
        assert (await quoter.status()).epoch == 3
        quoter.gateway.move(PX + 60 * E8)
        await until("orders of its new session", lambda: {o.epoch for o in quoter.orders.live} == {3})
        assert len(quoter.orders.live) == 4


async def test_a_replacement_refused_for_exposure_is_done_by_cancel_and_place(tmp_path: Path) -> None:
    async with quoting(tmp_path) as quoter:
        await quoter.is_full()
        quoter.orders.replace_verdict = orders.VERDICT_EXPOSURE
        before = {order.cloid for order in quoter.orders.live}
        quoter.gateway.move(PX + 60 * E8)
        await until(
            "all four are new",
            lambda: len(quoter.orders.live) == 4 and not before & {order.cloid for order in quoter.orders.live},
        )
    assert not quoter.orders.doubled


async def test_a_side_that_pauses_after_refusals_is_said_in_status(tmp_path: Path) -> None:
    peers = Peers(tmp_path)
    peers.order_state.verdict = orders.VERDICT_BACKOFF
    async with quoting(tmp_path, peers=peers) as quoter:

        async def said() -> bool:
            return "backoff" in (await quoter.status()).reasons

        await wait_until("the pause to be said", said)
        assert (await quoter.status()).quoting, "it goes on trying"
        peers.order_state.verdict = orders.VERDICT_ACCEPTED
        await quoter.is_full()


async def test_an_order_state_that_restarts_finds_a_quoter_that_goes_on(tmp_path: Path) -> None:
    async with quoting(tmp_path) as quoter:
        await quoter.is_full()
        await quoter.is_ready()
        await quoter.peers.stop_order_state()
        await quoter.is_ready(False)
        quoter.gateway.move(PX + 60 * E8)
        await quoter.peers.start_order_state()
        await quoter.is_ready()
        await until(
            "the ladder followed the book",
            lambda: len(quoter.orders.live) == 4 and max(o.px_e8 for o in quoter.orders.on(BUY)) > PX,
        )
    assert not quoter.orders.doubled


async def test_a_drain_empties_the_book_and_keeps_it_empty(tmp_path: Path) -> None:
    async with quoting(tmp_path) as quoter:
        await quoter.is_full()
        for _ in range(2):
            await quoter.control.Drain(pb.DrainRequest(drain_id="d1"), timeout=HANG_S)
        await quoter.is_full(0)
        sent = len(quoter.orders.requests)
        cycles = (await quoter.status()).cycles
        quoter.gateway.move(PX + 60 * E8)
        await until("more cycles have run", lambda: quoter.app._desk.cycles > cycles + 3)
        assert len(quoter.orders.requests) == sent


def changed(at: QuoterPart, generation: int, **quoting_changes: Any) -> pb.ApplyConfigRequest:
    new = at.model_copy(update={"generation": generation, "quoting": at.quoting.model_copy(update=quoting_changes)})
    return pb.ApplyConfigRequest(generation=generation, part_json=new.model_dump_json())


async def test_a_new_generation_takes_effect_without_a_restart(tmp_path: Path) -> None:
    async with quoting(tmp_path) as quoter:
        await quoter.is_full()
        answer = await quoter.control.ApplyConfig(changed(quoter.part, 2, levels=3), timeout=HANG_S)
        assert answer.applied_generation == 2
        await quoter.is_full(6)


@pytest.mark.parametrize(
    ("generation", "changes", "code", "words"),
    [
        (1, {"levels": 99}, grpc.StatusCode.INVALID_ARGUMENT, "quoting.levels"),
        (3, {"min_half_spread_bps": 60.0}, grpc.StatusCode.INVALID_ARGUMENT, "min_half_spread_bps exceeds"),
    ],
)
async def test_a_bad_configuration_is_refused_as_a_whole(
    tmp_path: Path, generation: int, changes: dict[str, Any], code: grpc.StatusCode, words: str
) -> None:
    async with quoting(tmp_path) as quoter:
        with pytest.raises(aio.AioRpcError) as refused:
            await quoter.control.ApplyConfig(changed(quoter.part, generation, **changes), timeout=HANG_S)
        assert refused.value.code() is code
        assert words in (refused.value.details() or "")
        assert (await quoter.status()).applied_generation == 1


async def test_an_outdated_generation_and_a_fixed_field_are_refused(tmp_path: Path) -> None:
    async with quoting(tmp_path) as quoter:
        await quoter.control.ApplyConfig(changed(quoter.part, 5), timeout=HANG_S)
        for request, code in (
            (changed(quoter.part, 4), grpc.StatusCode.FAILED_PRECONDITION),
            (
                changed(quoter.part.model_copy(update={"market": "ETH"}), 6),
                grpc.StatusCode.INVALID_ARGUMENT,
            ),
            (
                pb.ApplyConfigRequest(generation=9, part_json=quoter.part.model_dump_json()),
                grpc.StatusCode.INVALID_ARGUMENT,
            ),
        ):
            with pytest.raises(aio.AioRpcError) as refused:
                await quoter.control.ApplyConfig(request, timeout=HANG_S)
            assert refused.value.code() is code


async def test_a_quoter_that_is_to_leave_its_orders_stops_without_touching_them(tmp_path: Path) -> None:
    async with quoting(tmp_path) as quoter:
        await quoter.is_full()
        leaving = quoter.part.model_copy(update={"leave_orders": True})
        request = pb.ApplyConfigRequest(generation=leaving.generation, part_json=leaving.model_dump_json())
        await quoter.control.ApplyConfig(request, timeout=HANG_S)
        await quoter.app.stop()
        assert len(quoter.orders.live) == 4


async def test_a_market_the_gateway_does_not_serve_is_said_at_start(tmp_path: Path) -> None:
    async with Peers(tmp_path) as peers:
        peers.gateway.market = "ETH"
        app = QuoterApp(part(tmp_path), Runtime("quoter"))
        with pytest.raises(StartError, match="does not serve market BTC"):
            await app.start()
        await app.stop()


async def test_a_part_that_contradicts_itself_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="min_half_spread_bps exceeds"):
        QuoterApp(part(tmp_path, min_half_spread_bps=60.0), Runtime("quoter"))


async def test_status_counts_what_rests_and_for_how_long_on_both_sides(tmp_path: Path) -> None:
    async with quoting(tmp_path) as quoter:
        await quoter.is_full()
        await until("time counts as two-sided", lambda: quoter.app._desk.two_sided.ppm > 0)
        status = await quoter.status()
        assert (status.live_bids, status.live_asks) == (2, 2)
        assert 0 < status.two_sided_ppm <= 1_000_000
        assert not status.flat
        quoter.gateway.frozen = True
        quoter.orders.put(quoter.orders.on(BUY)[0], common.ORDER_STATE_CANCEL_PENDING)
        live = quoter.app._desk.sight.live_orders
        await until("it is seen", lambda: any(order.state is LiveState.CANCELLING for order in live(0)))
        assert (await quoter.status()).live_bids == 2


async def test_mode_flatten_empties_the_book_and_closes_the_position(tmp_path: Path) -> None:
    async with quoting(tmp_path) as quoter:
        await quoter.is_full()
        quoter.orders.fill(quoter.orders.on(BUY)[0])
        held_e8 = quoter.orders.position_e8
        at = quoter.part.model_copy(update={"mode": "Flatten", "flatten_max_slippage_bps": 15.0})
        await quoter.control.ApplyConfig(changed(at, 2), timeout=HANG_S)

        def closing() -> list[common.Order]:
            return [order for order in quoter.orders.live if order.time_in_force == common.TIME_IN_FORCE_IOC]

        await until("an immediate order is sent", lambda: bool(closing()))
        (order,) = quoter.orders.live
        assert (order.side, order.sz_e8, order.reduce_only) == (SELL, held_e8, True)
        assert order.px_e8 >= PX * (1 - 0.0015)
        assert not (await quoter.status()).flat
        quoter.orders.fill(order)
        await until("it is flat", lambda: bool(quoter.app._desk.decision and quoter.app._desk.decision.flat))
        assert (await quoter.status()).flat
        assert quoter.orders.live == []
