"""Answers that never come: what is told is unknown until the exchange has given evidence, and the evidence is found."""

from __future__ import annotations

from pathlib import Path

from tests.hazards.claims import Hazard, proves
from tests.hazards.desk import at_desk

from perpmaker.proto.gateway.v1 import gateway_pb2 as pb


@proves(Hazard.LOST_ACK_AFTER_COMMIT, by="drop_after_commit")
async def test_the_second_copy_of_an_order_that_landed_proves_nothing_about_it(tmp_path: Path) -> None:
    async with at_desk(tmp_path, post_timeout_ms=200) as desk:
        order = desk.buy(1)
        await desk.throw("drop_after_commit", n=1)
        told = await desk.place(order)
        assert told.outcome_of(order.cloid).unknown.reason == "duplicate_nonce"
        await desk.update(order.cloid, "open")


@proves(Hazard.LOST_ACK_AFTER_COMMIT, by="drop_after_commit")
async def test_an_ack_lost_after_the_commit_is_unknown_until_it_is_found_to_rest(tmp_path: Path) -> None:
    async with at_desk(tmp_path, post_timeout_ms=200) as desk:
        order = desk.buy(1)
        await desk.throw("drop_after_commit", n=2)
        told = await desk.place(order)
        assert told.outcome_of(order.cloid).HasField("unknown")
        assert len(told.sent) == 1
        await desk.update(order.cloid, "open")
        verdict = await desk.resolve(told, order)
        assert (verdict.resolution, verdict.proof) == (pb.RESOLUTION_LANDED, "status")


@proves(Hazard.ACK_LOST_BEFORE_COMMIT, by="drop_before_commit")
async def test_an_ack_lost_before_the_commit_is_unknown_until_it_is_proven_dead(tmp_path: Path) -> None:
    async with at_desk(tmp_path, post_timeout_ms=200) as desk:
        order = desk.buy(1)
        await desk.throw("drop_before_commit", n=2)
        told = await desk.place(order)
        assert told.outcome_of(order.cloid).HasField("unknown")
        assert not desk.belief.legs[0].is_over
        verdict = await desk.resolve(told, order)
        assert (verdict.resolution, verdict.proof) == (pb.RESOLUTION_DEAD, "nonce_burned")
        assert desk.statuses(order.cloid) == []
