"""`perpmaker operator run` and `uninstall` as processes against the fake API server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from tests.support.kube import bench as benches
from tests.support.kube import objects
from tests.support.kube.bench import Bench
from tests.support.kube.operator import operator, settings_for
from tests.support.kube.server import FakeApiServer
from tests.support.waiting import until

from perpmaker.operator.kube.resources import KOPF_PEERING, MARKET_MAKER, TRADING_ACCOUNT
from perpmaker.operator.names import FINALIZER

RSS_LIMIT_MB = 100


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with benches.fake_bench() as found:
        await found.allow_peering()
        yield found


@pytest.fixture
def server(bench: Bench) -> FakeApiServer:
    assert bench.fake is not None
    return bench.fake


class Process:
    """A `perpmaker` command under way, with its log lines."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []
        self.words: list[str] = []
        self.reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            text = line.decode().rstrip()
            self.words.append(text)
            with contextlib.suppress(ValueError):
                self.lines.append(json.loads(text))

    def said(self, event: str) -> dict[str, Any] | None:
        return next((line for line in self.lines if line.get("event") == event), None)

    async def says(self, event: str) -> dict[str, Any]:
        async def found() -> dict[str, Any] | None:
            return self.said(event)

        return await until(f"the log line {event}", found, within_s=20)

    async def ends(self) -> int:
        async with asyncio.timeout(20):
            code = await self.process.wait()
            await self.reader
        return code


@contextlib.asynccontextmanager
async def perpmaker(tmp_path: Path, server: FakeApiServer, user: str, *args: str) -> AsyncIterator[Process]:
    kubeconfig = tmp_path / "kubeconfig"
    cluster = {"name": "c", "cluster": {"server": server.url}}
    config = {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [cluster],
        "users": [{"name": "u", "user": {"token": user}}],
    }
    kubeconfig.write_text(yaml.safe_dump(config))
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "perpmaker.cli",
        *args,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={"PATH": "", "HOME": str(tmp_path), "PYTHONPATH": "services", "KUBECONFIG": str(kubeconfig)},
    )
    running = Process(child)
    try:
        yield running
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
        await running.reader


def run_args(tmp_path: Path, bench: Bench, **more: object) -> tuple[str, ...]:
    config = tmp_path / "operator.json"
    config.write_text(json.dumps(settings_for(bench, peering=True).model_dump(mode="json") | more))
    return "operator", "run", "--config", str(config)


async def refused(tmp_path: Path, bench: Bench, server: FakeApiServer) -> str:
    """Why the operator does not start."""
    async with perpmaker(tmp_path, server, "operator", *run_args(tmp_path, bench)) as process:
        assert await process.ends() == 2
        line = process.said("operator.cannot_start")
    assert line is not None
    return str(line["reason"])


async def get(port: int, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as answer:
        return answer.status, await answer.text()


async def test_it_starts_serves_its_probes_and_stops_when_told(
    tmp_path: Path, bench: Bench, server: FakeApiServer
) -> None:
    async with perpmaker(tmp_path, server, "operator", *run_args(tmp_path, bench)) as process:
        ports = await process.says("operator.listening")

        async def ready() -> bool:
            return (await get(ports["health_port"], "/readyz"))[0] == 200

        await until("readiness", ready, within_s=20)
        assert (await get(ports["health_port"], "/healthz"))[0] == 200

        async def leads() -> bool:
            return "mm_operator_leader 1.0" in (await get(ports["metrics_port"], "/metrics"))[1]

        await until("this copy to work", leads, within_s=20)
        assert _rss_mb(process.process.pid) < RSS_LIMIT_MB
        process.process.send_signal(signal.SIGTERM)
        assert await process.ends() == 0


async def test_without_our_kinds_it_says_how_to_install_them(
    tmp_path: Path, bench: Bench, server: FakeApiServer
) -> None:
    server.cluster.hidden.add(MARKET_MAKER.plural)
    reason = await refused(tmp_path, bench, server)
    assert "does not know MarketMaker" in reason
    assert "kubectl apply --server-side -f charts/perpmaker/crds" in reason


async def test_without_a_right_it_names_verb_kind_and_namespace(
    tmp_path: Path, bench: Bench, server: FakeApiServer
) -> None:
    server.denied |= {("patch", "deployments"), ("patch", "marketmakers/status")}
    reason = await refused(tmp_path, bench, server)
    assert "patch deployments.apps in namespace trading" in reason
    assert "patch marketmakers/status.perpmaker.io in namespace trading" in reason


async def test_without_the_peering_object_it_does_not_wait_for_ever(
    tmp_path: Path, bench: Bench, server: FakeApiServer
) -> None:
    await bench.delete(bench.ref(KOPF_PEERING, "perpmaker"))
    assert "no KopfPeering named perpmaker in namespace trading" in await refused(tmp_path, bench, server)


async def test_an_unknown_setting_is_refused_by_name(tmp_path: Path, bench: Bench, server: FakeApiServer) -> None:
    args = run_args(tmp_path, bench, resinc_seconds=3)
    async with perpmaker(tmp_path, server, "operator", *args) as process:
        assert await process.ends() == 2
        assert any("resinc_seconds" in words for words in process.words)


async def test_it_can_be_told_to_stop_while_it_waits_for_the_server(
    tmp_path: Path, bench: Bench, server: FakeApiServer
) -> None:
    await server.stop()
    async with perpmaker(tmp_path, server, "operator", *run_args(tmp_path, bench)) as process:
        await process.says("preflight.waiting")
        process.process.send_signal(signal.SIGTERM)
        assert await process.ends() == 0
    await server.start()


async def test_uninstall_takes_makers_before_accounts_and_waits(
    tmp_path: Path, bench: Bench, server: FakeApiServer
) -> None:
    async with operator(bench) as running:
        await bench.create(objects.account())
        await bench.create(objects.maker())

        async def looked() -> bool:
            return running.makers.looks["eth"] > 0 and running.accounts.looks["main"] > 0

        await until("both to be served", looked, within_s=10)
        async with perpmaker(tmp_path, server, "other", "operator", "uninstall", "-n", bench.namespace) as process:
            assert await process.ends() == 0
    assert process.words == [
        "deleting MarketMaker trading/eth",
        "all marketmakers are gone",
        "deleting TradingAccount trading/main",
        "all tradingaccounts are gone",
        "nothing is left",
    ]


async def test_uninstall_without_a_running_operator_tells_what_is_left(
    tmp_path: Path, bench: Bench, server: FakeApiServer
) -> None:
    await bench.create(objects.maker())
    ref = bench.ref(MARKET_MAKER, "eth")
    await bench.patch(ref, {"metadata": {"finalizers": [FINALIZER]}})
    args = ("operator", "uninstall", "-n", bench.namespace, "--timeout", "1s")
    async with perpmaker(tmp_path, server, "other", *args) as process:
        assert await process.ends() == 1
    assert "    MarketMaker trading/eth: the operator has not begun with it" in process.words


async def test_uninstall_needs_three_verbs_on_two_kinds(tmp_path: Path, bench: Bench, server: FakeApiServer) -> None:
    await bench.create(objects.maker())
    await bench.create(objects.account())
    async with perpmaker(tmp_path, server, "other", "operator", "uninstall", "-n", bench.namespace) as process:
        assert await process.ends() == 0
    asked = {(one.verb, one.plural) for one in server.asked if one.user == "other"}
    kinds = (MARKET_MAKER.plural, TRADING_ACCOUNT.plural)
    assert asked <= {(verb, plural) for verb in ("get", "list", "delete") for plural in kinds}


def _rss_mb(pid: int) -> float:
    fields = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = (line for line in fields if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024
