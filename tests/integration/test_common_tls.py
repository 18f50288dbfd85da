"""Mutual TLS of the service skeleton over TCP: who gets in, and certificates that change while connections live."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from grpc import StatusCode, aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import REGISTRY
from tests.support.certificates import ACCOUNT, NAMESPACE, OPERATOR, House, Mounted, member
from tests.support.waiting import HANG_S, until

from perpmaker.common import rpc, service
from perpmaker.common.certificate_files import CertificateFiles, watch_expiry
from perpmaker.common.identity import Role
from perpmaker.common.service import LIVENESS, Endpoint, Runtime, Service, StartError
from perpmaker.common.tls import Tls, TlsError, load
from perpmaker.proto.gateway.v1 import gateway_pb2 as gw
from perpmaker.proto.gateway.v1 import gateway_pb2_grpc as gw_grpc

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
COMPONENT = "gateway"


class Execution(gw_grpc.ExecutionServiceServicer):
    """Answers every plan with its own request id, and every arming."""

    async def Execute(  # type: ignore[override]
        self, request_iterator: AsyncIterator[gw.ExecuteRequest], context: object
    ) -> AsyncIterator[gw.ExecuteResponse]:
        async for request in request_iterator:
            yield gw.ExecuteResponse(request_id=request.request_id, done=gw.Done())

    async def Arm(self, request: gw.ArmRequest, context: object) -> gw.ArmResponse:  # type: ignore[override]
        return gw.ArmResponse()


class MarketData(gw_grpc.MarketDataServiceServicer):
    """Sends one message and goes on for ever."""

    async def Subscribe(  # type: ignore[override]
        self, request: gw.MarketDataServiceSubscribeRequest, context: object
    ) -> AsyncIterator[gw.MarketDataServiceSubscribeResponse]:
        yield gw.MarketDataServiceSubscribeResponse()
        await asyncio.Event().wait()


class Doorman(Service):
    """A gateway as far as its callers are concerned."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    def register(self, server: aio.Server) -> None:
        gw_grpc.add_ExecutionServiceServicer_to_server(Execution(), server)
        gw_grpc.add_MarketDataServiceServicer_to_server(MarketData(), server)

    async def start(self) -> None:
        await self.runtime.set_ready(True)

    async def stop(self) -> None:
        pass


def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"127.0.0.1:{taken.getsockname()[1]}"


@contextlib.asynccontextmanager
async def serving(at: Endpoint) -> AsyncIterator[Doorman]:
    made: asyncio.Future[Doorman] = asyncio.get_running_loop().create_future()

    def build(runtime: Runtime) -> Service:
        made.set_result(Doorman(runtime))
        return made.result()

    life = asyncio.create_task(service._live(COMPONENT, at, build))
    await asyncio.wait((life, made), return_when=asyncio.FIRST_COMPLETED)
    if life.done():
        life.result()
    doorman = made.result()
    try:
        yield doorman
    finally:
        doorman.runtime.stopping.set()
        assert await life == 0


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture
def mine(house: House) -> Mounted:
    return house.mount(member(Role.GATEWAY))


@pytest.fixture
async def target(mine: Mounted) -> AsyncIterator[str]:
    at = Endpoint(listen=free_address(), tls=mine.tls)
    async with serving(at):
        yield at.listen


async def connected(channel: aio.Channel) -> aio.Channel:
    """The channel once its handshake is over: on a slow machine the first ones time out."""
    async with asyncio.timeout(HANG_S):
        await rpc.ready(channel)
    return channel


async def arm(target: str, tls: Tls | None, *, waits: bool = False) -> StatusCode:
    """What a caller is told that opens a connection for one call."""
    async with rpc.connect(target, tls) as channel:
        return await arm_on(channel, waits=waits)


async def arm_on(channel: aio.Channel, *, waits: bool = False) -> StatusCode:
    """What a call is told; one that `waits` is made on a connection, and fails without a word where there is none."""
    if waits:
        await connected(channel)
    try:
        await gw_grpc.ExecutionServiceStub(channel).Arm(gw.ArmRequest(), timeout=HANG_S)
    except aio.AioRpcError as error:
        return error.code()
    return StatusCode.OK


async def echo(call: aio.StreamStreamCall[gw.ExecuteRequest, gw.ExecuteResponse], request_id: int) -> int:
    await call.write(gw.ExecuteRequest(request_id=request_id))
    async with asyncio.timeout(HANG_S):
        answer = await call.read()
    assert isinstance(answer, gw.ExecuteResponse)
    return answer.request_id


async def test_a_peer_whose_role_may_call_is_served_unary_and_in_streams(house: House, target: str) -> None:
    async with rpc.connect(target, house.mount(member(Role.ORDER_STATE)).tls) as channel:
        assert await echo(gw_grpc.ExecutionServiceStub(await connected(channel)).Execute(), 7) == 7
    async with rpc.connect(target, house.mount(member(Role.QUOTER)).tls) as channel:
        updates = gw_grpc.MarketDataServiceStub(await connected(channel)).Subscribe(
            gw.MarketDataServiceSubscribeRequest(), timeout=HANG_S
        )
        assert await updates.read() == gw.MarketDataServiceSubscribeResponse()
    assert await arm(target, house.mount(member(Role.RISK)).tls, waits=True) is StatusCode.OK


async def test_a_role_without_permission_is_told_who_has_it(house: House, target: str) -> None:
    async with rpc.connect(target, house.mount(member(Role.QUOTER)).tls) as channel:
        stub = gw_grpc.ExecutionServiceStub(await connected(channel))
        with pytest.raises(aio.AioRpcError, match=r"quoter may not call .*Arm; allowed: risk") as arming:
            await stub.Arm(gw.ArmRequest(), timeout=HANG_S)
        with pytest.raises(aio.AioRpcError, match=r"quoter may not call .*Execute; allowed: order-state") as executing:
            await stub.Execute(timeout=HANG_S).read()
    async with rpc.connect(target, house.mount(OPERATOR).tls) as channel:
        updates = gw_grpc.MarketDataServiceStub(await connected(channel)).Subscribe(
            gw.MarketDataServiceSubscribeRequest(), timeout=HANG_S
        )
        with pytest.raises(aio.AioRpcError, match=r"operator may not call .*allowed: risk, quoter") as subscribing:
            await updates.read()
    codes = {error.value.code() for error in (arming, executing, subscribing)}
    assert codes == {StatusCode.PERMISSION_DENIED}


@pytest.mark.parametrize(("account", "namespace"), [("other", NAMESPACE), (ACCOUNT, "elsewhere")])
async def test_the_right_role_of_another_account_is_refused(
    house: House, target: str, account: str, namespace: str
) -> None:
    stranger = house.mount(member(Role.RISK, account, namespace))
    assert await arm(target, stranger.tls, waits=True) is StatusCode.PERMISSION_DENIED


async def test_a_caller_without_a_certificate_gets_no_connection(house: House, target: str) -> None:
    assert await arm(target, None) is StatusCode.UNAVAILABLE
    nameless = grpc.ssl_channel_credentials(house.authority.certificate_pem)
    async with aio.secure_channel(target, nameless) as channel:
        assert await arm_on(channel) is StatusCode.UNAVAILABLE


async def arm_showing(target: str, mounted: Mounted, *, waits: bool = False) -> StatusCode:
    """What a caller is told that shows a certificate without looking at it first."""
    shown = grpc.ssl_channel_credentials(
        *(file.read_bytes() for file in (mounted.tls.ca_file, mounted.tls.key_file, mounted.tls.certificate_file))
    )
    async with aio.secure_channel(target, shown) as channel:
        return await arm_on(channel, waits=waits)


async def test_an_expired_or_foreign_certificate_gets_no_connection(house: House, target: str, tmp_path: Path) -> None:
    assert await arm_showing(target, house.mount(member(Role.RISK)), waits=True) is StatusCode.OK
    assert await arm_showing(target, house.mount(member(Role.RISK), good_for_s=-60)) is StatusCode.UNAVAILABLE
    forger = House(tmp_path, "forger").mount(member(Role.RISK), believes=house.authority.certificate_pem)
    assert await arm_showing(target, forger) is StatusCode.UNAVAILABLE


async def test_a_client_believes_no_server_of_another_authority(house: House, target: str, tmp_path: Path) -> None:
    other = House(tmp_path, "other").authority.certificate_pem
    assert await arm(target, house.mount(member(Role.RISK), believes=other).tls) is StatusCode.UNAVAILABLE


def refused_over_tls_1_2(target: str, caller: Mounted) -> bytes:
    """What a client that knows no TLS 1.3 is answered when it calls `Arm`; by hand, since gRPC knows it."""
    context = ssl.create_default_context(cafile=caller.tls.ca_file)
    context.load_cert_chain(caller.tls.certificate_file, caller.tls.key_file)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    host, port = target.split(":")
    with (
        socket.create_connection((host, int(port)), timeout=HANG_S) as raw,
        context.wrap_socket(raw, server_hostname=host) as wire,
    ):
        wire.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"") + arm_request())
        told = b""
        while b"TLSv1.3" not in told:
            received = wire.recv(4096)
            assert received, told
            told += received
        return told


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def arm_request() -> bytes:
    headers = {
        ":method": "POST",
        ":scheme": "https",
        ":path": "/perpmaker.proto.gateway.v1.ExecutionService/Arm",
        ":authority": "localhost",
        "te": "trailers",
        "content-type": "application/grpc",
    }
    block = b"".join(
        b"\x00" + bytes((len(name),)) + name.encode() + bytes((len(value),)) + value.encode()
        for name, value in headers.items()
    )
    return frame(1, 0x4, 1, block) + frame(0, 0x1, 1, b"\x00" + (0).to_bytes(4, "big"))


async def test_a_connection_below_tls_1_3_is_refused_at_the_first_call(house: House, target: str) -> None:
    told = await asyncio.to_thread(refused_over_tls_1_2, target, house.mount(member(Role.RISK)))
    assert b"TLSv1.2; TLSv1.3 is required" in told


async def health_of(target: str, name: str, tls: Tls | None = None, *, waits: bool = True) -> int:
    async with rpc.connect(target, tls) as channel:
        if waits:
            await connected(channel)
        stub = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=HANG_S)
        return int(answer.status)


async def test_health_has_a_plaintext_port_with_nothing_else_beside_tls(house: House, mine: Mounted) -> None:
    at = Endpoint(listen=free_address(), health_listen=free_address(), tls=mine.tls)
    probes = at.health_listen or ""
    async with serving(at) as doorman:
        assert await health_of(probes, LIVENESS) == SERVING
        assert await health_of(probes, "") == SERVING
        await doorman.runtime.set_ready(False)
        assert await health_of(probes, "") == NOT_SERVING
        assert await health_of(at.listen, "", house.mount(member(Role.CLI)).tls) == NOT_SERVING
        assert await arm(probes, None, waits=True) is StatusCode.UNIMPLEMENTED
        with pytest.raises(aio.AioRpcError) as refused:
            await health_of(at.listen, "", waits=False)
        assert refused.value.code() is StatusCode.UNAVAILABLE


async def test_without_tls_both_ports_tell_health(house: House) -> None:
    at = Endpoint(listen=free_address(), health_listen=free_address())
    async with serving(at):
        assert await health_of(at.listen, "") == await health_of(at.health_listen or "", "") == SERVING
        assert await arm(at.listen, None, waits=True) is StatusCode.OK


async def test_health_is_watched_over_tls_with_any_certificate_of_the_account(house: House, target: str) -> None:
    async with rpc.connect(target, house.mount(member(Role.QUOTER)).tls) as channel:
        watch = health_pb2_grpc.HealthStub(await connected(channel)).Watch(
            health_pb2.HealthCheckRequest(), timeout=HANG_S
        )
        assert (await watch.read()).status == SERVING
    async with rpc.connect(target, house.mount(member(Role.QUOTER, "other")).tls) as channel:
        watch = health_pb2_grpc.HealthStub(await connected(channel)).Watch(
            health_pb2.HealthCheckRequest(), timeout=HANG_S
        )
        with pytest.raises(aio.AioRpcError, match="only services of account main"):
            await watch.read()


async def test_authorities_are_exchanged_without_losing_a_stream_or_a_newcomer(
    house: House, mine: Mounted, target: str, tmp_path: Path
) -> None:
    old, new = house, House(tmp_path, "new")
    both = old.authority.certificate_pem + new.authority.certificate_pem
    theirs = old.mount(member(Role.ORDER_STATE))
    newcomer = old.mount(member(Role.RISK))
    everybody = ((mine, Role.GATEWAY), (theirs, Role.ORDER_STATE), (newcomer, Role.RISK))
    steps = ((old, both), (new, both), (new, new.authority.certificate_pem))
    async with rpc.connect(target, theirs.tls) as channel:
        call = gw_grpc.ExecutionServiceStub(await connected(channel)).Execute()
        assert await echo(call, 1) == 1
        for number, (signer, believes) in enumerate(steps, start=2):
            for mounted, role in everybody:
                signer.fill(mounted, member(role), believes=believes)
            assert await arm(target, newcomer.tls, waits=True) is StatusCode.OK
            assert await echo(call, number) == number
    assert await arm(target, old.mount(member(Role.RISK), believes=both).tls) is StatusCode.UNAVAILABLE


async def test_a_channel_reconnects_with_what_the_files_hold_then(house: House, mine: Mounted, tmp_path: Path) -> None:
    new = House(tmp_path, "new")
    theirs = house.mount(member(Role.ORDER_STATE))
    at = Endpoint(listen=free_address(), tls=mine.tls)
    received: asyncio.Queue[int] = asyncio.Queue()
    async with rpc.connect(at.listen, theirs.tls) as channel:
        stream = rpc.Duplex(
            "execute",
            gw_grpc.ExecutionServiceStub(channel).Execute,
            lambda answer: received.put_nowait(answer.request_id),
            connected=lambda: rpc.ready(channel),
        )
        running = asyncio.create_task(stream.run())

        async def says(request_id: int) -> bool:
            await stream.write(gw.ExecuteRequest(request_id=request_id))
            async with asyncio.timeout(HANG_S):
                return await received.get() == request_id

        async with serving(at):
            await until("the stream is up", lambda: says(1), ignoring=rpc.StreamDownError)
        for mounted, role in ((mine, Role.GATEWAY), (theirs, Role.ORDER_STATE)):
            new.fill(mounted, member(role))
        async with serving(at):
            await until("the stream is up again", lambda: says(2), ignoring=rpc.StreamDownError)
        running.cancel()


async def test_a_channel_waiting_with_a_refused_certificate_is_up_once_it_is_renewed(
    house: House, target: str, tmp_path: Path
) -> None:
    theirs = House(tmp_path, "other").mount(member(Role.RISK), believes=house.authority.certificate_pem)
    async with rpc.connect(target, theirs.tls) as channel:
        waiting = asyncio.create_task(rpc.ready(channel))
        assert await arm_on(channel) is StatusCode.UNAVAILABLE
        house.fill(theirs, member(Role.RISK))
        async with asyncio.timeout(HANG_S):
            await waiting
        assert await arm_on(channel, waits=True) is StatusCode.OK


async def test_a_connection_that_is_up_outlives_its_certificate_and_a_new_one_does_not_begin(
    house: House, target: str
) -> None:
    brief = house.mount(member(Role.ORDER_STATE), good_for_s=5)
    async with rpc.connect(target, brief.tls) as channel:
        call = gw_grpc.ExecutionServiceStub(await connected(channel)).Execute()
        assert await echo(call, 1) == 1

        async def is_refused() -> bool:
            return await arm_showing(target, brief) is StatusCode.UNAVAILABLE

        await until("the certificate expires", is_refused)
        assert await echo(call, 2) == 2


async def test_a_half_written_renewal_leaves_the_certificate_before_in_force(house: House, mine: Mounted) -> None:
    files = CertificateFiles(mine.tls)
    before = files.newest()
    mine.put({"ca.crt": before.ca_pem, "tls.crt": before.certificate_pem, "tls.key": b"not yet"})
    assert files.newest() is before
    house.fill(mine, member(Role.GATEWAY))
    assert files.newest().certificate_pem != before.certificate_pem


async def test_the_certificates_end_is_exported_and_follows_a_renewal(house: House, mine: Mounted) -> None:
    files = CertificateFiles(mine.tls)
    watching = asyncio.create_task(watch_expiry(COMPONENT, files, every_s=0.01))

    async def exported() -> bool:
        value = REGISTRY.get_sample_value("mm_certificate_expiry_timestamp_seconds", {"component": COMPONENT})
        return value == load(mine.tls).expires_at_s

    await until("it is exported", exported)
    house.fill(mine, member(Role.GATEWAY), good_for_s=7200)
    await until("the new one is exported", exported)
    watching.cancel()


async def test_a_certificate_made_for_another_service_is_refused_at_start(house: House) -> None:
    at = Endpoint(listen=free_address(), tls=house.mount(member(Role.RISK)).tls)
    with pytest.raises(StartError, match=r"tls\.crt is the certificate of .*/risk, and this is a gateway; mount"):
        await service._live(COMPONENT, at, Doorman)


async def test_an_expired_certificate_of_our_own_is_refused_at_start(house: House) -> None:
    at = Endpoint(listen=free_address(), tls=house.mount(member(Role.GATEWAY), good_for_s=-60).tls)
    with pytest.raises(StartError, match=r"tls\.crt has expired; renew it"):
        await service._live(COMPONENT, at, Doorman)


async def test_missing_files_are_refused_at_start(tmp_path: Path) -> None:
    at = Endpoint(listen=free_address(), tls=Mounted(tmp_path / "empty").tls)
    with pytest.raises(StartError, match=r"tls\.crt cannot be read .*; mount the Secret with ca\.crt"):
        await service._live(COMPONENT, at, Doorman)


async def test_waiting_for_a_channel_that_is_closed_ends_as_it_does_without_tls(house: House) -> None:
    ends: list[type[BaseException]] = []
    for tls in (None, house.mount(member(Role.RISK)).tls):
        channel = rpc.connect(free_address(), tls)
        waiting = asyncio.create_task(rpc.ready(channel))
        await arm_on(channel)
        await channel.close()
        async with asyncio.timeout(HANG_S):
            (end,) = await asyncio.gather(waiting, return_exceptions=True)
        assert end is not None
        ends.append(type(end))
    assert ends[0] is ends[1]


def test_a_channel_without_usable_files_says_which(house: House) -> None:
    mounted = house.mount(member(Role.RISK))
    good = load(mounted.tls)
    mounted.put({"ca.crt": b"", "tls.crt": good.certificate_pem, "tls.key": good.key_pem})
    with pytest.raises(TlsError, match=r"ca\.crt holds no certificate in PEM form"):
        rpc.connect("127.0.0.1:1", mounted.tls)
