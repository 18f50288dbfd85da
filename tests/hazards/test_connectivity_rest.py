"""REST that fails, hangs, resets, or is only half there. Status codes as measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import aio
from tests.support.gateway import TestGateway, running_gateway
from tests.support.gateway_watch import (
    cancels,
    event,
    is_gone,
    is_not_ready,
    is_ready,
    nothing_is_lost,
    open_cloids,
    places,
    rests,
    trades_on,
)
from tests.support.venue import TestVenue, running
from tests.support.waiting import until

from perpmaker.proto.gateway.v1 import gateway_pb2 as pb

STATUSES = ["422", "429", "500", "502", "503"]
TEN_SECONDS = {"op": "hang", "ms": 10_000}
BAD_READS: list[dict[str, Any]] = [
    *({"op": "refuse", "kind": kind, "channel": "rest_info"} for kind in STATUSES),
    {"op": "reset", "channel": "rest_info"},
    {"op": "idle_reset", "idle_ms": 1},
    TEN_SECONDS | {"channel": "rest_info"},
]


async def _struck(venue: TestVenue, name: str) -> int:
    return int((await venue.control("faults"))["struck"].get(name, 0))


@pytest.mark.parametrize("fault", BAD_READS, ids=lambda fault: fault["op"] + fault.get("kind", ""))
async def test_reads_that_fail_keep_the_gap_open_until_one_succeeds(tmp_path: Path, fault: dict[str, Any]) -> None:
    async with running() as venue, running_gateway(venue, tmp_path) as gateway:
        account = gateway.account_stream()
        await account.until(event("gap_closed"))
        sold = await rests(venue, gateway, 1, away=0, buy=False)
        seen = len(account.messages)
        name = fault["op"]

        await venue.control(**fault)
        await venue.control("disconnect", all=True)
        await account.until(event("gap_opened"), after=seen)
        await venue.control("trade", coin="BTC", side="B", sz="0.001")

        async def has_struck() -> bool:
            return await _struck(venue, name) >= 1

        await until("a read failed", has_struck)
        if name != "idle_reset":  # whose next connection is a new one
            assert not [message for message in account.messages[seen:] if message.HasField("gap_closed")]
        await venue.control("clear")

        await account.until(event("gap_closed"), after=seen)
        assert sold in {message.fill.cloid for message in account.messages[seen:]}
        await trades_on(venue, gateway, 2)
        await nothing_is_lost(venue, gateway, account)


@pytest.mark.parametrize("kind", STATUSES)
async def test_questions_of_others_are_unavailable_and_never_answered_with_nothing(tmp_path: Path, kind: str) -> None:
    async with running() as venue, running_gateway(venue, tmp_path) as gateway:
        cloid = await rests(venue, gateway, 1)
        await venue.control("refuse", kind=kind, channel="rest_info")
        for question in (
            gateway.reference.ListOpenOrders(pb.ListOpenOrdersRequest()),
            gateway.reference.GetOrderStatus(pb.GetOrderStatusRequest(cloid=cloid)),
            gateway.reference.ListFills(pb.ListFillsRequest(since_ms=0)),
            gateway.reference.GetAccount(pb.GetAccountRequest()),
        ):
            with pytest.raises(aio.AioRpcError) as refused:
                await question
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
            assert f"http_{kind}" in (refused.value.details() or "")
        await venue.control("clear")
        assert (await gateway.reference.GetOrderStatus(pb.GetOrderStatusRequest(cloid=cloid))).found


@pytest.mark.parametrize("kind", STATUSES)
async def test_placement_refused_at_both_doors_is_told_for_what_it_is(tmp_path: Path, kind: str) -> None:
    async with running() as venue, running_gateway(venue, tmp_path) as gateway:
        await venue.control("refuse", kind=kind, channel="ack")

        outcome = (await places(venue, gateway, 1)).outcome_of(gateway.cloid(1))

        if kind.startswith("4"):
            assert outcome.HasField("rejected"), outcome
        else:
            assert outcome.unknown.reason == "http_error"
        assert await open_cloids(venue, gateway) == set()
        await venue.control("clear")
        await trades_on(venue, gateway, 2)


CUTS: list[dict[str, Any]] = [
    *({"op": "refuse", "kind": kind, "channel": "rest_exchange"} for kind in STATUSES),
    {"op": "reset", "channel": "rest_exchange"},
    {"op": "hang", "ms": 10_000, "channel": "rest_exchange", "executes": False},
    {"op": "hang", "ms": 10_000, "channel": "rest_exchange", "executes": True},
    {"op": "drop_before_commit", "channel": "rest_exchange", "n": None},
    {"op": "drop_after_commit", "channel": "rest_exchange", "n": None},
    {"op": "idle_reset", "idle_ms": 1},
]


def _name(fault: dict[str, Any]) -> str:
    return "-".join(str(value) for key, value in fault.items() if key not in ("ms", "channel", "n"))


@pytest.mark.parametrize("fault", CUTS, ids=_name)
async def test_cancel_by_rest_alone_is_told_as_far_as_it_is_known_and_gets_through(
    tmp_path: Path, fault: dict[str, Any]
) -> None:
    async with running() as venue, running_gateway(venue, tmp_path, post_timeout_ms=500) as gateway:
        cloid = await rests(venue, gateway, 1)
        await venue.control("disconnect", all=True, for_ms=600_000)
        await is_not_ready(gateway)
        assert (await places(venue, gateway, 2)).outcome_of(gateway.cloid(2)).not_sent.reason == "not_connected"
        await venue.control(**fault)

        outcome = (await cancels(gateway, cloid)).outcome_of(cloid)

        is_open = cloid in await open_cloids(venue, gateway)
        match outcome.WhichOneof("result"):
            case "cancelled":
                assert not is_open
            case "rejected":
                assert is_open and fault.get("kind", "").startswith("4")
            case claimed:
                assert claimed == "unknown", "only what the exchange said may be claimed"
        await venue.control("clear", name=fault["op"])
        await is_gone(venue, gateway, cloid)
        await venue.control("clear")
        await trades_on(venue, gateway, 3)


@pytest.mark.parametrize("kind", STATUSES)
async def test_posts_that_fail_leave_rest_for_cancels(tmp_path: Path, kind: str) -> None:
    async with running() as venue, running_gateway(venue, tmp_path) as gateway:
        cloid = await rests(venue, gateway, 1)
        await venue.control("refuse", kind=kind, channel="ws_post")
        assert (await cancels(gateway, cloid)).outcome_of(cloid).HasField("cancelled")
        assert await open_cloids(venue, gateway) == set()


async def test_exchange_down_and_info_up_is_unknown_to_the_last(tmp_path: Path) -> None:
    async with running() as venue, running_gateway(venue, tmp_path, post_timeout_ms=200) as gateway:
        account = gateway.account_stream()
        await account.until(event("gap_closed"))
        await venue.control("drop_before_commit", channel="ws_post", n=None)
        await venue.control("refuse", kind="502", channel="rest_exchange")

        told = await places(venue, gateway, 1)

        assert told.outcome_of(gateway.cloid(1)).unknown.reason == "http_error"
        status = await gateway.reference.GetOrderStatus(pb.GetOrderStatusRequest(cloid=gateway.cloid(1)))
        assert not status.found
        assert gateway.service.status().ready, "streams and socket are whole"
        await venue.control("clear")
        resolved = await _resolved(gateway, told.sent[0], gateway.cloid(1))
        assert resolved == pb.RESOLUTION_DEAD
        assert await open_cloids(venue, gateway) == set()
        await trades_on(venue, gateway, 2)


async def test_info_down_and_exchange_up_trades_on_and_resolves_later(tmp_path: Path) -> None:
    async with running() as venue, running_gateway(venue, tmp_path, post_timeout_ms=200) as gateway:
        await venue.control("refuse", kind="502", channel="rest_info")
        cloid = await rests(venue, gateway, 1)
        assert (await cancels(gateway, cloid)).outcome_of(cloid).HasField("cancelled")
        await venue.control("drop_after_commit", channel="ack", n=2)

        told = await places(venue, gateway, 2)

        assert told.outcome_of(gateway.cloid(2)).HasField("unknown")
        assert await _resolved(gateway, told.sent[0], gateway.cloid(2)) == pb.RESOLUTION_STILL_UNKNOWN
        await venue.control("clear")
        assert await _resolved(gateway, told.sent[0], gateway.cloid(2)) == pb.RESOLUTION_LANDED
        assert await open_cloids(venue, gateway) == {gateway.cloid(2)}


async def _resolved(gateway: TestGateway, sent: pb.Sent, cloid: str) -> pb.Resolution.ValueType:
    question = pb.ResolveRequest(cloid=cloid, nonce=sent.nonce, expires_after_ms=sent.expires_after_ms)
    return (await gateway.execution.Resolve(question)).resolution


async def test_exchange_without_blocks_answers_nothing_and_everything_afterwards(tmp_path: Path) -> None:
    async with running() as venue, running_gateway(venue, tmp_path, post_timeout_ms=200) as gateway:
        account = gateway.account_stream()
        await account.until(event("gap_closed"))
        await venue.control("stall", for_ms=600_000)

        number = await gateway.submit(
            places=[gateway.order(gateway.cloid(1), px="50000", sz="0.001")],
        )
        await gateway.executed.until(lambda told: told.request_id == number and told.HasField("done"))
        assert gateway.told(number).outcome_of(gateway.cloid(1)).HasField("unknown")
        await venue.control("clear")

        # The answer comes after all, and is told although the plan was done.
        await gateway.executed.until(
            lambda told: told.request_id == number and any(item.HasField("resting") for item in told.outcomes.items)
        )
        assert await open_cloids(venue, gateway) == {gateway.cloid(1)}
        await is_ready(gateway)
        await nothing_is_lost(venue, gateway, account)
