"""What a gateway checks before it sends anything, how it says no, and that it never shows its key."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from grpc import aio
from tests.support.gateway import TestGateway, gateway_part, nonce_server, running_gateway
from tests.support.venue import TestVenue, key_of, running
from tests.support.waiting import HANG_S, until

from perpmaker.api.parts import DeadMansSwitchPart, GatewayPart, LeveragePart
from perpmaker.common import rpc
from perpmaker.common.service import Endpoint, Runtime, StartError
from perpmaker.gateway.app import Gateway
from perpmaker.gateway.simulated_wallet import WalletError, prepare
from perpmaker.proto.common.v1 import common_pb2 as common
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb
from perpmaker.proto.gateway.v1 import gateway_pb2_grpc as stubs

RUN = "import sys; from pathlib import Path; from perpmaker.gateway.app import main; main(Path(sys.argv[1]))"


class Process:
    """A gateway in a process of its own, with all that it says."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.said = b""
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while chunk := await self.process.stdout.read(65_536):
            self.said += chunk

    async def end(self) -> int:
        """SIGTERM, and the exit code."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        return await self.exited()

    async def exited(self) -> int:
        async with asyncio.timeout(HANG_S):
            code = await self.process.wait()
            await self._reader
        return code


@contextlib.asynccontextmanager
async def gateway_process(part: GatewayPart, directory: Path) -> AsyncIterator[Process]:
    config = directory / "gateway.json"
    config.write_text(part.model_dump_json())
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        RUN,
        str(config),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "PYTHONPATH": "services"},
        cwd=Path(__file__).parents[2],
    )
    running_process = Process(process)
    try:
        yield running_process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _start_failure(venue: TestVenue, directory: Path, **changes: Any) -> str:
    with pytest.raises(StartError) as caught:
        async with running_gateway(venue, directory, **changes):
            pass
    return str(caught.value)


async def test_wallet_is_made_once_and_only_the_agent_key_stays(tmp_path: Path) -> None:
    async with running() as venue:
        first = await prepare(tmp_path / "wallet", venue.api_url)
        again = await prepare(tmp_path / "wallet", venue.api_url)
        assert first == again
        assert stat.S_IMODE(first.key_file.stat().st_mode) == 0o600
        assert sorted(path.name for path in (tmp_path / "wallet").iterdir()) == ["account.json", "api-wallet.key"]
        role = await venue.client().info("userRole", user=first.account.signer)
        assert role == {"role": "agent", "data": {"user": first.account.address}}


async def test_wallet_unknown_to_a_fresh_exchange_is_refused_with_the_remedy(tmp_path: Path) -> None:
    async with running() as venue:
        await prepare(tmp_path / "wallet", venue.api_url)
    async with running() as fresh:
        with pytest.raises(WalletError, match="delete"):
            await prepare(tmp_path / "wallet", fresh.api_url)


async def test_key_of_another_account_is_refused_before_anything_is_placed(tmp_path: Path) -> None:
    async with running() as venue:
        other = venue.client(7)
        await venue.control("fund", address=other.address, usdc=1_000)
        problem = await _start_failure(venue, tmp_path, address=other.address)
        assert other.address in problem
        assert "approved" in problem
        state = await venue.control("dump_state")
        assert state["accounts"][other.address]["openOrders"] == []


async def test_unapproved_key_is_refused_with_the_address_to_approve(tmp_path: Path) -> None:
    async with running() as venue:
        stranger = key_of(77)
        key_file = tmp_path / "stranger.key"
        key_file.write_text(stranger.key.hex())
        key_file.chmod(0o600)
        problem = await _start_failure(venue, tmp_path, key_file=key_file, expected_signer=None)
        assert f"approve {stranger.address.lower()}" in problem
        assert stranger.key.hex() not in problem


async def test_key_that_is_not_the_expected_one_is_refused(tmp_path: Path) -> None:
    async with running() as venue:
        expected = key_of(5).address
        assert expected.lower() in await _start_failure(venue, tmp_path, expected_signer=expected)


async def test_key_file_readable_by_others_is_refused(tmp_path: Path) -> None:
    async with running() as venue:
        wallet = await prepare(tmp_path / "wallet", venue.api_url)
        wallet.key_file.chmod(0o644)
        with pytest.raises(StartError, match="chmod 600"):
            async with nonce_server(tmp_path) as target:
                part = gateway_part(venue.api_url, tmp_path, wallet, target)
                Gateway(part, Runtime("gateway"))


async def test_unknown_market_is_refused_with_names_like_it(tmp_path: Path) -> None:
    async with running() as venue:
        problem = await _start_failure(venue, tmp_path, markets=("BTC", "HYPR"))
        assert "HYPR" in problem
        assert "HYPE" in problem


async def test_leverage_is_set_and_verified(tmp_path: Path) -> None:
    async with running() as venue:
        wanted = (LeveragePart(market="BTC", value=7, cross=True),)
        async with running_gateway(venue, tmp_path, leverage=wanted) as gateway:
            limits = await gateway.service.parts.reads.trade_limits("BTC")
            assert (limits.leverage, limits.cross) == (7, True)


async def test_dead_mans_switch_is_armed_and_cleared_when_the_book_is_empty(tmp_path: Path) -> None:
    switch = DeadMansSwitchPart(enabled=True, timeout_s=30, refresh_s=2)
    async with running() as venue:
        async with running_gateway(venue, tmp_path, dead_mans_switch=switch) as gateway:
            await _armed(gateway)
            status = gateway.service.status()
            assert status.dead_man_refusal == ""
            assert status.dead_man_firings_left == 10
            assert await _scheduled(venue, gateway) == status.dead_man_deadline_ms
        assert await _scheduled(venue, gateway) is None


async def test_dead_mans_switch_stays_armed_over_a_book_that_is_not_empty(tmp_path: Path) -> None:
    switch = DeadMansSwitchPart(enabled=True, timeout_s=30, refresh_s=2)
    async with running() as venue:
        async with running_gateway(venue, tmp_path, dead_mans_switch=switch) as gateway:
            await _armed(gateway)
            await gateway.execute(places=[gateway.order(gateway.cloid(1), px="10000", sz="0.01")])
        assert await _scheduled(venue, gateway) is not None


async def test_dead_mans_switch_that_was_never_answered_stays_armed_over_a_book_that_is_not_empty(
    tmp_path: Path,
) -> None:
    switch = DeadMansSwitchPart(enabled=True, timeout_s=30, refresh_s=2)
    async with running() as venue:
        async with running_gateway(venue, tmp_path):
            """The account exists from now on."""
        await venue.control("drop_after_commit", channel="rest_exchange", n=None)
        async with running_gateway(venue, tmp_path, dead_mans_switch=switch) as gateway:

            async def is_heard() -> bool:
                return await _scheduled(venue, gateway) is not None

            await until("the exchange has heard a deadline", is_heard)
            await gateway.execute(places=[gateway.order(gateway.cloid(1), px="10000", sz="0.01")])
            assert gateway.service.status().dead_man_deadline_ms == 0, "no push was answered"
        assert await _scheduled(venue, gateway) is not None


async def test_refusal_of_the_dead_mans_switch_is_kept_for_status(tmp_path: Path) -> None:
    switch = DeadMansSwitchPart(enabled=True)
    async with (
        running(schedule_cancel_volume_usd=1_000_000) as venue,
        running_gateway(venue, tmp_path, dead_mans_switch=switch) as gateway,
    ):

        async def is_refused() -> bool:
            return "volume" in gateway.service.status().dead_man_refusal

        await until("the refusal shows", is_refused)
        assert gateway.service.status().dead_man_deadline_ms == 0


async def _armed(gateway: TestGateway) -> None:
    async def is_armed() -> bool:
        return gateway.service.status().dead_man_deadline_ms > 0

    await until("the dead man's switch is armed", is_armed)


async def _scheduled(venue: TestVenue, gateway: TestGateway) -> Any:
    state = await venue.control("dump_state")
    return state["accounts"][gateway.wallet.account.address]["scheduledCancel"]


async def test_a_whole_session_at_debug_level_never_shows_the_key(tmp_path: Path) -> None:
    async with running() as venue, nonce_server(tmp_path) as target:
        wallet = await prepare(tmp_path / "wallet", venue.api_url)
        key = wallet.key_file.read_text().strip()
        endpoint = Endpoint(listen=f"unix:{tmp_path}/gateway.sock", log_level="debug")
        part = gateway_part(venue.api_url, tmp_path, wallet, target, endpoint=endpoint)
        async with gateway_process(part, tmp_path) as process, rpc.connect(endpoint.listen) as channel:
            reference = stubs.ReferenceServiceStub(channel)

            async def is_ready() -> bool:
                return (await reference.GetStatus(pb.GetStatusRequest())).ready

            await until("the gateway is ready", is_ready, ignoring=aio.AioRpcError)
            call = stubs.ExecutionServiceStub(channel).Execute()
            order = TestGateway.order(TestGateway.cloid(1), px="10000", sz="0.01")
            await call.write(pb.ExecuteRequest(trace=common.Trace(market="BTC", epoch=1), request_id=1, places=[order]))
            while not (await call.read()).HasField("done"):
                pass
            call.cancel()
            assert await process.end() == 0
        said = process.said.decode(errors="replace").lower()
        assert "service.ready" in said
        assert '"method":"post"' in said.replace("\\", ""), "the session was not logged at debug level"
        secret = bytes.fromhex(key)
        for leak in (key, key[:32], key[32:], str(int(key, 16)), repr(secret)[2:-1].lower()):
            assert leak.lower() not in said


async def test_process_with_an_unapproved_key_ends_with_code_two_and_says_why(tmp_path: Path) -> None:
    async with running() as venue, nonce_server(tmp_path) as target:
        wallet = await prepare(tmp_path / "wallet", venue.api_url)
        stranger = key_of(78)
        wallet.key_file.write_text(stranger.key.hex())
        part = gateway_part(venue.api_url, tmp_path, wallet, target, expected_signer=None)
        async with gateway_process(part, tmp_path) as process:
            assert await process.exited() == 2
        assert stranger.address.lower() in process.said.decode()
        assert stranger.key.hex() not in process.said.decode()
