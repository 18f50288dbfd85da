"""The client where the API server is in a mood: busy, slow, gone, or no longer believing us."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.kube import bench as benches
from tests.support.kube import objects
from tests.support.kube.bench import Bench
from tests.support.kube.server import FakeApiServer, Fault

from perpmaker.operator.interfaces import KubeError
from perpmaker.operator.kube.client import ApiServer
from perpmaker.operator.kube.credentials import Credentials, Token
from perpmaker.operator.kube.resources import CONFIG_MAP, SERVICE


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with benches.fake_bench() as found:
        yield found


@pytest.fixture
def server(bench: Bench) -> FakeApiServer:
    assert bench.fake is not None
    return bench.fake


@pytest.fixture
async def api(bench: Bench) -> AsyncIterator[ApiServer]:
    async with ApiServer(bench.as_operator(), request_timeout_s=2.0) as found:
        yield found


async def test_a_busy_server_is_asked_again(api: ApiServer, server: FakeApiServer) -> None:
    server.fail(429, "patch", "configmaps", times=3, headers={"Retry-After": "0"})
    assert (await api.apply(objects.config_map(a="1")))["data"] == {"a": "1"}


async def test_a_server_that_stays_busy_is_an_error_in_the_end(api: ApiServer, server: FakeApiServer) -> None:
    server.fail(429, "patch", "configmaps", times=100, headers={"Retry-After": "0"})
    with pytest.raises(KubeError) as caught:
        await api.apply(objects.config_map(a="1"))
    assert (caught.value.status, caught.value.reason) == (429, "TooManyRequests")


async def test_a_slow_answer_is_a_timeout(api: ApiServer, server: FakeApiServer) -> None:
    server.faults.append(Fault("get", "services", delay_s=5))
    with pytest.raises(KubeError) as caught:
        await api.get(benches.Ref(SERVICE, "trading", "x"))
    assert (caught.value.status, caught.value.reason) == (0, "Timeout")


async def test_a_server_that_hangs_up_is_unreachable(api: ApiServer, server: FakeApiServer) -> None:
    server.faults.append(Fault("patch", "configmaps", hang_up=True))
    with pytest.raises(KubeError) as caught:
        await api.apply(objects.config_map(a="1"))
    assert (caught.value.status, caught.value.reason) == (0, "Unreachable")


async def test_a_server_that_is_gone_is_unreachable(api: ApiServer, server: FakeApiServer) -> None:
    await server.stop()
    with pytest.raises(KubeError) as caught:
        await api.get(benches.Ref(SERVICE, "trading", "x"))
    assert (caught.value.status, caught.value.reason) == (0, "Unreachable")


async def test_a_rotated_token_is_read_again_and_the_request_repeated(
    bench: Bench, server: FakeApiServer, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("first")
    server.tokens["first"] = "operator"
    async with ApiServer(Credentials(server.url, Token(file=file))) as api:
        await api.apply(objects.config_map(a="1"))
        del server.tokens["first"]
        server.tokens["second"] = "operator"
        file.write_text("second")
        assert (await api.apply(objects.config_map(a="2")))["data"] == {"a": "2"}
        listing = await api.list(CONFIG_MAP, bench.namespace)
        stream = api.watch(CONFIG_MAP, bench.namespace, listing.version)
        assert (await anext(stream)).type == "OPEN"
        await stream.aclose()  # type: ignore[attr-defined]


async def test_a_token_that_nobody_believes_is_an_error_and_not_a_loop(bench: Bench, server: FakeApiServer) -> None:
    async with ApiServer(Credentials(server.url, Token("nobody"))) as api:
        with pytest.raises(KubeError) as caught:
            await api.get(bench.ref(SERVICE, "x"))
    assert caught.value.status == 401


async def test_a_long_listing_comes_in_pages_and_is_whole(bench: Bench, api: ApiServer, server: FakeApiServer) -> None:
    kind = next(kind for kind in benches.KINDS if kind.kind == "ConfigMap")
    for number in range(1203):
        server.cluster.create(kind, bench.namespace, objects.config_map(f"c{number}"), "someone")
    listing = await api.list(CONFIG_MAP, bench.namespace)
    assert len({item["metadata"]["name"] for item in listing.items}) == 1203
    assert len([one for one in server.asked if one.verb == "list"]) == 3


async def test_what_an_apply_made_is_told_before_any_watch(bench: Bench) -> None:
    told: list[str] = []
    bench.api.tell_writes_to(lambda written: told.append(written["metadata"]["resourceVersion"]))
    written = await bench.api.apply(objects.config_map(a="1"))
    assert told == [written["metadata"]["resourceVersion"]]
