"""Agents that expire, are replaced or removed, and signatures for another network.

Exchange documentation: "Nonces and API wallets".
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.support.gateway import TestGateway, running_gateway
from tests.support.gateway_watch import (
    cancels,
    is_not_ready,
    is_ready,
    open_cloids,
    places,
    rejection,
    rests,
    trades_on,
)
from tests.support.own_agent import AGENT, NEXT_AGENT, OWNER, address_of, gateway_of_owner
from tests.support.venue import key_of, running
from tests.support.waiting import until

from perpmaker.proto.gateway.v1 import gateway_pb2 as pb

AGAIN_S = 60.0
"""Longer than the pause between two questions about a key that was refused, on a busy machine."""

LOSSES: list[tuple[dict[str, Any], str]] = [
    ({"op": "expire_agent", "address": address_of(AGENT)}, f"User or API Wallet {address_of(AGENT)} does not exist."),
    ({"op": "remove_agent", "address": address_of(AGENT)}, f"User or API Wallet {address_of(AGENT)} does not exist."),
    (
        {"op": "replace_agent", "address": address_of(AGENT), "by": address_of(NEXT_AGENT)},
        f"Must deposit before performing actions. User: {address_of(OWNER)}",
    ),
]


@pytest.mark.parametrize(("loss", "text"), LOSSES, ids=lambda value: value["op"] if isinstance(value, dict) else "")
async def test_agent_that_lost_its_approval_is_told_and_taken_again(
    tmp_path: Path, loss: dict[str, Any], text: str
) -> None:
    async with running() as venue, gateway_of_owner(venue, tmp_path) as (owner, gateway):
        kept = await rests(venue, gateway, 1)
        assert gateway.service.status().signer_confirmed
        await venue.control(**loss)

        told = await places(venue, gateway, 2)

        assert rejection(told, gateway.cloid(2)) == (pb.REJECTION_CLASS_AUTH, text)
        # A cancel is sent all the same; that it is refused is the exchange's doing, and is told.
        assert rejection(await cancels(gateway, kept), kept) == (pb.REJECTION_CLASS_AUTH, text)
        assert await open_cloids(venue, gateway) == {kept}
        await is_not_ready(gateway, "refuses the signer")
        status = gateway.service.status()
        assert not status.signer_confirmed
        assert address_of(AGENT) in status.key_refusal

        await _approved_again(owner, gateway)
        assert (await cancels(gateway, kept)).outcome_of(kept).HasField("cancelled")
        await trades_on(venue, gateway, 3)


async def _approved_again(owner: Any, gateway: TestGateway) -> None:
    async def is_approved() -> bool:
        # While a removal is pending no approval is taken.
        return bool((await owner.approve_agent(key_of(AGENT), "maker"))["status"] == "ok")

    await until("the owner approves the key again", is_approved)

    async def says() -> bool:
        return gateway.service.status().ready

    await until("the gateway learns of it", says, within_s=AGAIN_S)
    assert gateway.service.status().signer_confirmed
    assert gateway.service.status().key_refusal == ""


async def test_signature_for_another_network_is_refused_without_a_doubt_about_the_key(tmp_path: Path) -> None:
    async with running() as venue, running_gateway(venue, tmp_path) as gateway:
        kept = await rests(venue, gateway, 1)
        await venue.control("wrong_network")

        told = await places(venue, gateway, 2)

        refused, text = rejection(told, gateway.cloid(2))
        assert refused == pb.REJECTION_CLASS_AUTH
        assert text.startswith("User or API Wallet 0x")
        assert gateway.part.address not in text
        assert await open_cloids(venue, gateway) == {kept}
        await venue.control("clear")
        await is_ready(gateway)
        assert gateway.service.status().signer_confirmed
        await trades_on(venue, gateway, 3)
