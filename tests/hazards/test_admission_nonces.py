"""Nonces that are too low, too high, or used already. Exchange documentation: "Nonces and API wallets"."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.support.gateway import running_gateway
from tests.support.gateway_watch import (
    Counted,
    cancels,
    is_not_ready,
    is_ready,
    mid,
    open_cloids,
    places,
    rejection,
    rests,
    trades_on,
)
from tests.support.own_agent import by_agent, gateway_of_owner
from tests.support.venue import running
from tests.support.waiting import until

from perpmaker.common.clock import SystemClock
from perpmaker.common.service import StartError
from perpmaker.gateway.nonces import MAX_LEAD_MS, REMEMBERED
from perpmaker.gateway.simulated_wallet import prepare
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


async def test_nonces_below_those_of_another_program_are_lifted_above_them(tmp_path: Path) -> None:
    async with running() as venue, gateway_of_owner(venue, tmp_path) as (owner, gateway):
        kept = await rests(venue, gateway, 1)
        rejects = Counted("mm_gateway_nonce_rejects_total")
        intruder = by_agent(venue, owner)
        first = venue.core.state.now_ms + HOUR_MS
        for nonce in range(first, first + REMEMBERED):
            assert (await intruder.exchange({"type": "noop"}, nonce=nonce))["status"] == "ok"

        told = await places(venue, gateway, 2)

        refused, text = rejection(told, gateway.cloid(2))
        assert refused == pb.REJECTION_CLASS_AUTH
        assert text == f"Invalid nonce: nonce too low {told.sent[0].nonce} < {first}"
        assert rejects.grown == 1
        # One refusal is enough: the cancel that follows carries a nonce that is taken.
        cancelled = await cancels(gateway, kept)
        assert cancelled.outcome_of(kept).HasField("cancelled"), cancelled
        assert await open_cloids(venue, gateway) == set()
        await is_ready(gateway)
        assert gateway.service.status().signer_confirmed, "the nonce was refused, not the key"


class DaysBehind(SystemClock):
    """The machine's clock after it was set back beyond the oldest nonce that the exchange takes."""

    def now_ms(self) -> int:
        return super().now_ms() - 5 * DAY_MS


async def test_cancels_pass_although_the_clock_is_days_behind_and_nothing_else_does(tmp_path: Path) -> None:
    days_behind: dict[str, Any] = {"clock": DaysBehind(), "until_ready": False}
    async with running() as venue:
        await prepare(tmp_path / "wallet", venue.api_url)
        async with gateway_of_owner(venue, tmp_path, **days_behind) as (owner, gateway):
            await is_not_ready(gateway, "ms off the exchange's")
            px = await mid(venue) - 1_000
            cloid = gateway.cloid(1)
            await by_agent(venue, owner).place("BTC", is_buy=True, px=str(px), sz="0.001", cloid=cloid)
            assert (await places(venue, gateway, 2)).outcome_of(gateway.cloid(2)).not_sent.reason == "clock"

            first = await cancels(gateway, cloid)
            assert rejection(first, cloid)[1].startswith(f"Invalid nonce: nonce too low {first.sent[0].nonce} < ")
            assert (await cancels(gateway, cloid)).outcome_of(cloid).HasField("cancelled")
            assert await open_cloids(venue, gateway) == set()


async def test_nonce_used_by_another_program_leaves_the_outcome_unknown_and_harms_nothing(tmp_path: Path) -> None:
    async with running() as venue, gateway_of_owner(venue, tmp_path, highest_nonce=0) as (owner, gateway):
        intruder = by_agent(venue, owner)
        await rests(venue, gateway, 1)
        ahead = venue.core.state.now_ms + HOUR_MS
        gateway.service.parts.signer.desk.nonces.lift(ahead)
        ahead = gateway.service.parts.signer.desk.nonces.highest + 1
        assert (await intruder.exchange({"type": "noop"}, nonce=ahead))["status"] == "ok"

        told = await places(venue, gateway, 2)

        assert told.sent[0].nonce == ahead
        assert told.outcome_of(gateway.cloid(2)).unknown.reason == "duplicate_nonce"
        assert await open_cloids(venue, gateway) == {gateway.cloid(1)}
        question = pb.ResolveRequest(
            cloid=gateway.cloid(2), nonce=ahead, expires_after_ms=told.sent[0].expires_after_ms
        )

        async def is_dead() -> bool:
            return (await gateway.execution.Resolve(question)).resolution == pb.RESOLUTION_DEAD

        await until("its absence proves that it never landed", is_dead)
        await trades_on(venue, gateway, 3)


async def test_nonce_beyond_the_window_is_refused_and_costs_no_order(tmp_path: Path) -> None:
    async with running() as venue, running_gateway(venue, tmp_path) as gateway:
        kept = await rests(venue, gateway, 1)
        # Within the documented day, beyond what is taken as measured.
        gateway.service.parts.signer.desk.nonces.lift(venue.core.state.now_ms + MAX_LEAD_MS - 30_000)

        told = await places(venue, gateway, 2)

        refused, text = rejection(told, gateway.cloid(2))
        assert refused == pb.REJECTION_CLASS_AUTH
        assert text.startswith(f"Invalid nonce: nonce too high {told.sent[0].nonce} > ")
        assert await open_cloids(venue, gateway) == {kept}


async def test_recorded_nonces_beyond_the_window_keep_the_gateway_from_starting(tmp_path: Path) -> None:
    async with running() as venue:
        too_high = venue.core.state.now_ms + MAX_LEAD_MS + HOUR_MS
        with pytest.raises(StartError, match="highest nonce"):
            async with running_gateway(venue, tmp_path, highest_nonce=too_high):
                pass
