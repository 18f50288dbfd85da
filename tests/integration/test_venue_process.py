"""The venue as a program: it says where it listens, stops when told, and explains itself when it cannot start."""

from __future__ import annotations

import asyncio
import signal

import aiohttp
import pytest
from tests.support.venue_process import addresses, program
from tests.support.waiting import HANG_S


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
async def test_it_serves_on_the_addresses_it_names_and_stops_when_told(how: signal.Signals) -> None:
    async with program("markets=('SOL',)") as process, aiohttp.ClientSession() as session:
        said = await addresses(process)
        assert (said["event"], said["component"], said["level"]) == ("listening", "venue", "info")
        async with session.ws_connect(said["ws"]) as socket:
            await socket.send_json({"method": "ping"})
            assert await socket.receive_json() == {"channel": "pong"}
            async with session.post(said["control"], json={"op": "dump_state"}) as response:
                assert (await response.json())["result"]["violations"] == []
            process.send_signal(how)
            async with asyncio.timeout(HANG_S):
                assert await process.wait() == 0


@pytest.mark.parametrize("option", ["port", "control_port"])
async def test_a_taken_port_is_named_with_its_remedy(option: str) -> None:
    async with program() as first:
        said = await addresses(first)
        taken = said["api" if option == "port" else "control"].rpartition(":")[2]
        async with program(f"{option}={taken}") as second, asyncio.timeout(HANG_S):
            _, errors = await second.communicate()
            assert second.returncode == 2
            shown = f"--{option.replace('_', '-')}"
            assert f"127.0.0.1:{taken}" in errors.decode() and f"{shown} 0" in errors.decode()


async def test_an_unknown_market_is_refused_with_those_there_are() -> None:
    async with program("markets=('NOPE',)") as process, asyncio.timeout(HANG_S):
        _, errors = await process.communicate()
        assert process.returncode == 2
        assert "NOPE" in errors.decode() and "BTC, ETH, SOL, HYPE" in errors.decode()


async def test_probes_have_an_answer_on_the_api_port_whatever_is_cut_off() -> None:
    async with program("host='0.0.0.0', markets=('SOL',)") as process, aiohttp.ClientSession() as session:
        said = await addresses(process)
        port = said["api"].rpartition(":")[2]
        assert said["control"].startswith("http://127.0.0.1:")
        cut = {"op": "disconnect", "all": True, "for_ms": 60_000, "rest": True}
        async with session.post(said["control"], json=cut) as response:
            assert (await response.json())["ok"] is True
        with pytest.raises(aiohttp.ClientError):
            await session.post(f"http://127.0.0.1:{port}/info", json={"type": "meta"})
        async with session.get(f"http://127.0.0.1:{port}/healthz") as response:
            assert (response.status, await response.text()) == (200, "ok\n")
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(HANG_S):
            assert await process.wait() == 0
