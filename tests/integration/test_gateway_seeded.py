"""A gateway that derives its account: it waits for the exchange, signs up once, and ends when it is forgotten."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.integration.test_gateway_start import gateway_process
from tests.support.gateway import gateway_part, nonce_server, running_gateway
from tests.support.order_state_stack import free_port
from tests.support.venue import TestVenue, running
from tests.support.waiting import until

from perpmaker.api.parts import GatewayPart
from perpmaker.common import rpc
from perpmaker.common.clock import SystemClock
from perpmaker.gateway.budget import Budgets, BudgetSettings
from perpmaker.gateway.connections.rest import Rest
from perpmaker.gateway.identity import derive, open_identity
from perpmaker.gateway.sign_up import Membership, sign_up
from perpmaker.gateway.simulated_wallet import SimulatedAccount, Wallet
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb
from perpmaker.proto.gateway.v1 import gateway_pb2_grpc as stubs

SEED = "11111111-2222-3333-4444-555555555555"
ACCOUNT, SIGNER = derive(SEED, "account").address, derive(SEED, "api wallet").address
SEEDED = {"simulated_seed": SEED, "address": None, "key_file": None, "expected_signer": None}


def _part(url: str, directory: Path, target: str) -> GatewayPart:
    nobody = Wallet(SimulatedAccount(address=ACCOUNT, signer=SIGNER), directory / "none")
    return gateway_part(url, directory, nobody, target, **SEEDED)


async def _role(venue: TestVenue) -> object:
    return await venue.client().info("userRole", user=SIGNER)


async def test_it_signs_up_by_itself_and_tells_who_it_is(tmp_path: Path) -> None:
    async with running() as venue, running_gateway(venue, tmp_path, **SEEDED) as gateway:
        status = gateway.service.status()
        assert (status.account_address, status.signer_address) == (ACCOUNT, SIGNER)
        assert status.exchange_connected
        assert status.network == "Simulated"
        assert status.signer_valid_until_ms > 0
        assert 0 < status.rate_limit_used_ppm < 1_000_000
        assert await _role(venue) == {"role": "agent", "data": {"user": ACCOUNT}}
        told = await gateway.execute(places=[gateway.order(gateway.cloid(1), px="10000", sz="0.001")])
        assert told.outcome_of(gateway.cloid(1)).HasField("resting")


async def test_a_second_start_finds_the_approval_and_says_since_when_the_account_is_known(tmp_path: Path) -> None:
    async with running() as venue:
        since = []
        for _ in range(2):
            async with running_gateway(venue, tmp_path, **SEEDED) as gateway:
                account = gateway.account_stream()
                closed = await account.until(lambda told: told.HasField("gap_closed"))
                since.append(closed.gap_closed.account_since_ms)
        deposits = await venue.client().info("userNonFundingLedgerUpdates", user=ACCOUNT, startTime=0)
        assert since == [deposits[0]["time"]] * 2


async def test_an_account_with_a_key_of_its_own_is_not_said_to_begin(tmp_path: Path) -> None:
    async with running() as venue, running_gateway(venue, tmp_path) as gateway:
        closed = await gateway.account_stream().until(lambda told: told.HasField("gap_closed"))
        assert closed.gap_closed.account_since_ms == 0


async def test_who_reads_before_it_has_signed_up_makes_nobody_believe_that_it_was_forgotten(tmp_path: Path) -> None:
    async with running() as venue:
        clock = SystemClock()
        rest = Rest(venue.api_url, Budgets(BudgetSettings(600, 30), clock.monotonic_s()), clock)
        identity = open_identity(_part(venue.api_url, tmp_path, "unix:none"))
        membership = Membership(identity, rest)
        watching = asyncio.create_task(membership.run())
        try:
            assert not await membership.confirm()
            await sign_up(identity, rest, clock)
            membership.signed_up()
            assert await membership.confirm()
            assert not watching.done()
        finally:
            watching.cancel()
            await rest.close()


async def test_it_waits_for_the_exchange_and_ends_with_code_one_when_another_has_taken_its_place(
    tmp_path: Path,
) -> None:
    port = free_port()
    async with nonce_server(tmp_path) as target:
        part = _part(f"http://127.0.0.1:{port}", tmp_path, target)
        async with gateway_process(part, tmp_path) as process, rpc.connect(part.endpoint.listen) as channel:

            async def is_waiting() -> bool:
                return b"preflight.waiting_for_exchange" in process.said

            async def status() -> pb.GetStatusResponse:
                return await stubs.ReferenceServiceStub(channel).GetStatus(pb.GetStatusRequest())

            async def is_ready() -> bool:
                return bool((await status()).ready)

            await until("it waits", is_waiting)
            assert not (await status()).signer_confirmed, "nobody but the exchange can say so"
            async with running(port=port):
                await until("it is ready", is_ready)
                assert (await status()).signer_confirmed
            async with running(port=port) as anew:
                async with asyncio.timeout(30):
                    assert await process.exited() == 1
                assert await _role(anew) == {"role": "missing"}
            assert b"account.forgotten" in process.said
