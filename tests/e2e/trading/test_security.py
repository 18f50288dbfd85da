"""What each pod may do and hold, seen at its processes and mounts; and what calls with a wrong certificate get."""

from __future__ import annotations

import asyncio
import base64
import datetime
import errno
import ssl
import time
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final

import grpc
import pytest
from cryptography import x509
from grpc import aio
from tests.e2e import deeds
from tests.e2e.api import Json
from tests.e2e.cluster.processes import ClusterError
from tests.e2e.house import ACCOUNT, IMAGE_USER, MAKERS, START_S, House, account
from tests.e2e.measure import Measure
from tests.e2e.netns import dial
from tests.e2e.services import forwarded, person
from tests.e2e.watching import UNDISTURBED_S, watched
from tests.support.certificates import Mounted

from perpmaker.cli.authority import Authority, open_authority
from perpmaker.common import rpc
from perpmaker.common.identity import Identity, Role
from perpmaker.common.tls import Tls
from perpmaker.operator import names
from perpmaker.proto.risk.v1 import risk_pb2 as risk_pb
from perpmaker.proto.risk.v1.risk_pb2_grpc import RiskServiceStub

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

REAL: Final = "real"
WALLET: Final = "wallet"
KEY: Final = "5eed" * 16
"""The key of an API wallet, hexadecimal."""
ROLLOVER_S: Final = 60.0
_TOKENS: Final = "var/run/secrets/kubernetes.io/serviceaccount"

SECRETS: Final[dict[str, dict[str, set[str]]]] = {
    "perpmaker-operator": {"perpmaker-operator-tls": set()},
    "main-gateway": {"main-gateway-tls": set()},
    "main-order-state": {"main-order-state-tls": set(), "perpmaker-store": {"order-state-password"}},
    "main-risk": {"main-risk-tls": set(), "perpmaker-store": {"risk-password"}},
    "main-store": {"perpmaker-store": {"users.acl"}},
    "main-venue": {},
    "eth-quoter": {"eth-quoter-tls": set()},
    "real-gateway": {"real-gateway-tls": set(), WALLET: {"privateKey"}},
    "real-order-state": {"real-order-state-tls": set(), "perpmaker-store": {"order-state-password"}},
    "real-risk": {"real-risk-tls": set(), "perpmaker-store": {"risk-password"}},
    "real-store": {"perpmaker-store": {"users.acl"}},
}
"""Secrets by pod, and which entries; none named means all."""


async def _everything_runs(house: House) -> list[Json]:
    """Pods of a simulated account with a maker, and of an account with a key."""
    await house.quoting("eth")
    if await house.api.get("TradingAccount", REAL, house.namespace) is None:
        await asyncio.to_thread(house.installation.admit, REAL)
        wallet = {"secretRef": {"name": WALLET, "key": "privateKey"}}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": WALLET}, "stringData": {"privateKey": KEY}}
        await house.apply(secret, account(REAL, network="Testnet", address="0x" + "aa" * 20, apiWallet=wallet))
    label = "app.kubernetes.io/part-of=perpmaker"
    return await house.api.until_pods(house.namespace, label, len(SECRETS), ready=False, within_s=START_S)


def _workload(pod: Json) -> str:
    return next(name for name in SECRETS if pod["metadata"]["name"].startswith(f"{name}-"))


async def test_every_pod_runs_where_restricted_pod_security_is_enforced(house: House) -> None:
    await _everything_runs(house)
    namespace = await house.api.read("Namespace", house.namespace)
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    events = await house.api.objects("Event", house.namespace)
    assert not [event["message"] for event in events if "PodSecurity" in event["message"]]


async def test_no_process_of_ours_is_root_has_a_capability_or_can_write_to_its_image(house: House) -> None:
    for pod in await _everything_runs(house):
        name = pod["metadata"]["name"]
        # The last one is what the node itself put there to hold the pod's namespaces.
        for pid in (await _pids(house, pod))[:-1]:
            status = await asyncio.to_thread(_status, pid)
            for field in ("Uid", "Gid"):
                assert set(status[field].split()) == {str(IMAGE_USER)}, (name, field)
            assert {int(status[field], 16) for field in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}, name
            assert (int(status["NoNewPrivs"]), int(status["Seccomp"])) == (1, 2), name
            with pytest.raises(OSError) as refused:
                # Even whoever is root on the node cannot write through the mount that the container has.
                await asyncio.to_thread(_root(pid, "usr/written").touch)
            assert refused.value.errno == errno.EROFS, name


async def test_only_the_operator_has_a_token_of_the_api_server(house: House) -> None:
    for pod in await _everything_runs(house):
        for pid in (await _pids(house, pod))[:-1]:
            has_token = await asyncio.to_thread(_root(pid, _TOKENS).exists)
            assert has_token is (_workload(pod) == "perpmaker-operator"), pod["metadata"]["name"]


async def test_a_secret_is_mounted_only_where_it_is_needed_and_is_nobodys_environment(house: House) -> None:
    for pod in await _everything_runs(house):
        mounted = {
            volume["secret"]["secretName"]: {entry["key"] for entry in volume["secret"].get("items", ())}
            for volume in pod["spec"]["volumes"]
            if "secret" in volume
        }
        assert mounted == SECRETS[_workload(pod)], pod["metadata"]["name"]
        for container in pod["spec"]["containers"]:
            assert not [one for one in container.get("env", ()) if "valueFrom" in one], pod["metadata"]["name"]
            assert not container.get("envFrom"), pod["metadata"]["name"]


async def test_pods_run_the_image_they_were_told_to_and_pull_it_as_they_were_told_to(house: House) -> None:
    image = house.installation.values["image"]
    for pod in await _everything_runs(house):
        (container,) = pod["spec"]["containers"]
        told = container["image"], container["imagePullPolicy"]
        assert told == (f"{image['repository']}:{image['tag']}", image["pullPolicy"]), pod["metadata"]["name"]


async def test_no_key_and_no_password_is_in_a_log_or_in_anything_but_a_secret(house: House) -> None:
    pods = await _everything_runs(house)
    passwords = _decoded((await house.api.read("Secret", "perpmaker-store", house.namespace))["data"])
    hidden = {"key": KEY, "order-state": passwords["order-state-password"], "risk": passwords["risk-password"]}
    for name in ("main-gateway-tls", "eth-quoter-tls", "perpmaker-operator-tls"):
        pem = _decoded((await house.api.read("Secret", name, house.namespace))["data"])["tls.key"]
        hidden[f"{name}'s key"] = pem.splitlines()[1]
    kinds = "pods,configmaps,deployments,statefulsets,replicasets,events,mm,ta,services,serviceaccounts,jobs"
    told = {
        "objects": house.cluster.kubectl("get", kinds, "-n", house.namespace, "-o", "yaml", "--show-managed-fields")
    }
    for pod in pods:
        name = pod["metadata"]["name"]
        for is_previous in (False, True):
            try:
                words = ("logs", name, "-n", house.namespace, f"--previous={str(is_previous).lower()}")
                told[f"log of {name}"] = house.cluster.kubectl(*words)
            except ClusterError as error:
                assert "previous terminated container" in str(error), error
    assert "service.listening" in told[f"log of {_of(pods, 'main-gateway')}"]
    found = [f"{what} in {where}" for where, text in told.items() for what, secret in hidden.items() if secret in text]
    assert not found


class TestCalls:
    """Risk, called from the quoter's pod: policies let that through, so only certificates tell callers apart."""

    async def test_who_has_no_certificate_of_the_house_gets_no_answer(self, house: House, tmp_path: Path) -> None:
        await house.quoting("eth")
        stranger = _issued(Authority.create(_now()), Role.OPERATOR, tmp_path / "stranger", ca=_authority(house))
        assert await _code(house, stranger) is grpc.StatusCode.UNAVAILABLE
        async with _to_risk(house) as target:
            only_ca = grpc.ssl_channel_credentials(_authority(house).certificate_pem)
            name = (("grpc.ssl_target_name_override", "main-risk"),)
            async with aio.secure_channel(target, only_ca, options=name) as channel:
                assert await _state(channel) is grpc.StatusCode.UNAVAILABLE
            async with rpc.connect(target) as channel:
                assert await _state(channel) is grpc.StatusCode.UNAVAILABLE
        # The same call from the same place with a certificate that may.
        assert await _code(house, _person(house)) is grpc.StatusCode.OK

    async def test_who_is_known_may_still_do_only_what_its_role_is_for(self, house: House, tmp_path: Path) -> None:
        await house.quoting("eth")
        ours = _authority(house)
        quoter = _issued(ours, Role.QUOTER, tmp_path / "quoter", house.namespace)
        other = _issued(ours, Role.CLI, tmp_path / "other", house.namespace, account_name="other")
        elsewhere = _issued(ours, Role.CLI, tmp_path / "elsewhere", "elsewhere")
        for tls in (quoter, other, elsewhere):
            async with _to_risk(house) as target, rpc.connect(target, tls, server_name="main-risk") as channel:
                stub = RiskServiceStub(channel)
                for call in (
                    stub.Rearm(risk_pb.RearmRequest(trip_id="trip-1"), timeout=5),
                    stub.Trip(risk_pb.TripRequest(reason="not mine to say"), timeout=5),
                ):
                    with pytest.raises(aio.AioRpcError) as refused:
                        await call
                    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
                    assert "may not call /perpmaker.proto.risk.v1.RiskService/" in (refused.value.details() or "")
        assert not (await house.services.risk()).trips
        await house.two_sided("eth")


async def test_an_account_whose_exchange_is_silent_says_how_it_can_be_let_go_all_the_same(house: House) -> None:
    await _everything_runs(house)
    valid = await house.condition("TradingAccount", REAL, "CredentialsValid", "Unknown")
    assert "the exchange has not said yet" in valid["message"]
    await house.delete("TradingAccount", REAL)
    stalled = await house.condition("TradingAccount", REAL, "Stalled", "True", "CancelFailed", within_s=START_S)
    assert names.FORCE_DELETE in stalled["message"]
    await house.force("TradingAccount", REAL)


async def test_renewed_certificates_are_in_use_within_seconds_while_quoting_goes_on(
    house: House, measured: Measure
) -> None:
    await house.quoting("eth")
    children = ("main-gateway", "main-order-state", "main-risk", "eth-quoter")
    before = {child: await _serial(house, child) for child in children}
    lives = await deeds.uids(house, *children, "perpmaker-operator")
    async with watched(house) as seen:
        began = time.monotonic()
        await asyncio.to_thread(house.installation.certify, ACCOUNT, *MAKERS)

        async def renewed() -> bool:
            return all([await _serial(house, child) != before[child] for child in children])

        await house.until("every service shows its new certificate", renewed, within_s=ROLLOVER_S)
        measured("renewed certificates in use after (the node looks every 5 s)", f"{time.monotonic() - began:.1f} s")
        # Whoever has the new certificate is let in, and the operator goes on with its own.
        assert await _code(house, _person(house)) is grpc.StatusCode.OK
        generation = await house.patch("MarketMaker", "eth", quoting={"levels": 3})
        await house.applied("eth", generation)
    assert seen.longest_empty_s("eth") < UNDISTURBED_S
    assert await deeds.uids(house, *children, "perpmaker-operator") == lives


# Certificates and calls.


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _folder(house: House) -> Path:
    assert house.installation.certificates is not None
    return house.installation.certificates


def _authority(house: House) -> Authority:
    return open_authority(_folder(house) / "ca", _now())[0]


def _issued(
    authority: Authority,
    role: Role,
    folder: Path,
    namespace: str | None = None,
    account_name: str | None = ACCOUNT,
    ca: Authority | None = None,
) -> Tls:
    """A certificate of an authority; `ca` is whom its holder believes when not that authority."""
    identity = Identity(role) if role is Role.OPERATOR else Identity(role, namespace, account_name)
    until = _now() + datetime.timedelta(hours=1)
    issued = authority.issue(identity, (), not_before=_now() - datetime.timedelta(minutes=5), not_after=until)
    mounted = Mounted(folder)
    believed = (ca or authority).certificate_pem
    mounted.put({"ca.crt": believed, "tls.crt": issued.certificate_pem, "tls.key": issued.key_pem})
    return mounted.tls


def _person(house: House) -> Tls:
    folder = _folder(house) / person(ACCOUNT)
    return Tls(certificate_file=folder / "tls.crt", key_file=folder / "tls.key", ca_file=folder / "ca.crt")


def _to_risk(house: House) -> AbstractAsyncContextManager[str]:
    ip = house.cluster.kubectl(
        *("get", "pod", "-n", house.namespace, "-o", "jsonpath={.items[0].status.podIP}"),
        *("-l", f"{names.ROLE_LABEL}=risk,{names.ACCOUNT_LABEL}={ACCOUNT}"),
    )
    return forwarded(house.pid_of("eth-quoter"), ip)


async def _code(house: House, tls: Tls) -> grpc.StatusCode:
    async with _to_risk(house) as target, rpc.connect(target, tls, server_name="main-risk") as channel:
        return await _state(channel)


async def _state(channel: aio.Channel) -> grpc.StatusCode:
    try:
        await RiskServiceStub(channel).GetState(risk_pb.GetStateRequest(), timeout=5)
    except aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


async def _serial(house: House, child: str) -> int:
    """Serial number of the certificate that a new connection is shown."""
    return await asyncio.to_thread(_handshake, house.living_pid_of(child), _person(house), child)


def _handshake(pid: int, tls: Tls, child: str) -> int:
    context = ssl.create_default_context(cafile=str(tls.ca_file))
    context.load_cert_chain(tls.certificate_file, tls.key_file)
    context.set_alpn_protocols(["h2"])
    plain = dial(pid, "127.0.0.1", names.GRPC_PORT, 3.0)
    with plain, context.wrap_socket(plain, server_hostname=child) as secure:
        shown = secure.getpeercert(binary_form=True)
    assert shown is not None
    return x509.load_der_x509_certificate(shown).serial_number


# Pods.


def _root(pid: int, path: str) -> Path:
    """A file as a process sees it."""
    return Path("/proc", str(pid), "root", path)


def _status(pid: int) -> dict[str, str]:
    lines = Path("/proc", str(pid), "status").read_text(encoding="utf-8").splitlines()
    return dict(line.split(":", 1) for line in lines)


async def _pids(house: House, pod: Json) -> list[int]:
    meta = pod["metadata"]
    return await asyncio.to_thread(house.cluster.faults.pids, meta["namespace"], meta["name"])


def _decoded(data: dict[str, str]) -> dict[str, str]:
    return {name: base64.b64decode(value).decode() for name, value in data.items()}


def _of(pods: list[Json], workload: str) -> str:
    return next(pod["metadata"]["name"] for pod in pods if _workload(pod) == workload)
