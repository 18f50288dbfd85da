"""Who reaches whom in an installation with two accounts, tried from inside every pod: the flows, and nothing beside.

The policies are in force as a network plugin would have them. What is expected follows from the table the operator
makes its policies of, and from the few flows of the chart's own.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import pytest
from tests.e2e.api import Api, Json, condition_of
from tests.e2e.cluster.cluster import Cluster
from tests.e2e.cluster.settings import PAUSE_IMAGE
from tests.e2e.house import ACCOUNT, START_S, House, Installation, account, installed, maker
from tests.e2e.measure import Measure
from tests.e2e.netns import within
from tests.e2e.reach import Attempt, Chart, Place, attempts, chart_flows, connect, is_allowed, reached
from tests.e2e.workloads import IMAGE, RESTRICTED

from perpmaker.api.v1alpha1 import TradingAccount
from perpmaker.operator import names
from perpmaker.operator.acceptance import parse_account
from perpmaker.operator.children.network_policies import EXCHANGE_PORT, End, Outside, flows
from perpmaker.operator.names import Role
from perpmaker.operator.settings import OperatorSettings

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

OTHER: Final = "other"
REAL: Final = "real"
MONITORING: Final = {"e2e": "monitoring"}
OPERATOR_HEALTH: Final = 8080
NOT_AN_EXCHANGE: Final = 8443
KEY: Final = "01" * 32
PORTS: Final = (
    names.GRPC_PORT,
    names.HEALTH_PORT,
    names.METRICS_PORT,
    names.VENUE_PORT,
    names.STORE_PORT,
    OPERATOR_HEALTH,
)
"""Every port that some pod of the installation listens on, tried at every pod."""


@pytest.fixture(scope="module")
def installation(node_cluster: Cluster) -> Iterator[Installation]:
    """Two accounts in one namespace; metrics for one other namespace; the API server by its address."""
    layout = node_cluster.layout
    policies = {
        "defaultDeny": True,
        "metricsFromNamespaces": MONITORING,
        "apiServer": {"cidrs": [f"{layout.node_ip}/32", f"{layout.api_service_ip}/32"]},
    }
    # Three accounts on a node of two cores: requests are for production.
    little = {role.value: {"requests": {"cpu": "20m", "memory": "64Mi"}} for role in Role}
    children = {"rolloutPauseSeconds": 1, "resources": little}
    with installed(node_cluster, IMAGE, networkPolicy=policies, children=children) as made:
        made.admit(OTHER, "sol")
        yield made


@asynccontextmanager
async def bystanders(house: House) -> AsyncIterator[list[Json]]:
    """Pods that do nothing: strangers in and beside the namespace, a reader of metrics, an uninstallation."""
    async with AsyncExitStack() as stack:
        elsewhere = f"elsewhere-{secrets.token_hex(3)}"
        monitoring = f"monitoring-{secrets.token_hex(3)}"
        await stack.enter_async_context(house.api.namespace(elsewhere, RESTRICTED))
        await stack.enter_async_context(house.api.namespace(monitoring, {**RESTRICTED, **MONITORING}))
        hook = await house.api.read("NetworkPolicy", "perpmaker-uninstall", house.namespace)
        pods = [
            _idle("stranger", house.namespace, {"app": "stranger"}),
            _idle("uninstall", house.namespace, hook["spec"]["podSelector"]["matchLabels"]),
            # Labels of ours do not make a pod of another namespace one of us.
            _idle("elsewhere", elsewhere, {"app.kubernetes.io/name": "perpmaker", names.ROLE_LABEL: "operator"}),
            _idle("monitoring", monitoring, {"app": "prometheus"}),
        ]
        await house.api.apply(*pods)
        try:
            yield [await _running(house.api, pod) for pod in pods]
        finally:
            for name in ("stranger", "uninstall"):
                await house.api.delete("Pod", name, house.namespace, grace_s=0)


async def test_every_allowed_flow_connects_and_every_other_pair_of_pods_is_refused(
    house: House, measured: Measure
) -> None:
    await house.quoting("eth", "btc")
    await house.apply(account(OTHER), maker("sol", OTHER))
    await house.ready("sol")
    restarts = await _restarts(house)
    layout = house.cluster.layout
    async with bystanders(house) as idle, _listening(layout.outside_ip, EXCHANGE_PORT, NOT_AN_EXCHANGE):
        places = [
            *await _installation(house),
            *await asyncio.gather(*(_idle_place(house, pod) for pod in idle)),
            *await _dns(house),
            Place("API server", Chart.API_SERVER, layout.node_ip, (layout.ports.api,)),
            Place("the outside", Outside.EXCHANGE, layout.outside_ip, (EXCHANGE_PORT, NOT_AN_EXCHANGE)),
        ]
        assert {place.kind for place in places} >= {*Role, Outside.OPERATOR, *Chart}
        settings = await _settings(house)
        known = {name: flows(await _account(house, name), settings) for name in (ACCOUNT, OTHER)}
        chart = chart_flows(layout.ports.api)
        tried = attempts(places)
        allowed = [is_allowed(one, known[one.source.account or one.target.account or ACCOUNT], chart) for one in tried]
        began = time.monotonic()
        wrong = await reached(tried, allowed)
        measured(
            "network policies: connections tried from inside pods",
            f"{len(tried)}, {sum(allowed)} of them allowed, in {time.monotonic() - began:.1f} s",
        )
    assert not wrong, "\n".join(wrong)
    assert not [one for one, is_fine in zip(tried, allowed, strict=True) if is_fine and one.port == names.HEALTH_PORT]

    # Nobody but the kubelet reaches the health ports, and it does: every pod is ready, and none was started again.
    async def all_ready() -> bool:
        found = await house.api.objects("Pod", house.namespace)
        return all(condition_of(pod, "Ready").get("status") == "True" for pod in found)

    await house.until("every pod is ready", all_ready, within_s=START_S)
    assert await _restarts(house) == restarts
    for name in ("eth", "btc"):
        await house.two_sided(name)


async def _restarts(house: House) -> dict[str, list[int]]:
    pods = await house.api.objects("Pod", house.namespace)
    return {
        pod["metadata"]["name"]: [one["restartCount"] for one in pod["status"]["containerStatuses"]] for pod in pods
    }


async def test_only_what_calls_by_name_gets_an_answer_from_dns(house: House) -> None:
    await house.quoting("eth")
    places = {place.name.rsplit("-", 2)[0]: place for place in await _installation(house)}
    for name, place in places.items():
        if place.account != ACCOUNT:
            continue
        has_answer = await asyncio.to_thread(_has_dns_answer, place, house.cluster.layout.dns_ip)
        assert has_answer is (place.kind not in {Role.STORE, Role.VENUE}), name


async def test_the_gateway_of_a_real_network_leaves_the_cluster_on_one_port_and_nothing_else_does(
    house: House,
) -> None:
    await asyncio.to_thread(house.installation.admit, REAL)
    layout = house.cluster.layout
    key = {
        "kind": "Secret",
        "apiVersion": "v1",
        "metadata": {"name": "wallet"},
        "stringData": {"privateKey": "01" * 32},
    }
    wallet = {"secretRef": {"name": "wallet", "key": "privateKey"}}
    await house.apply(key, account(REAL, network="Testnet", address="0x" + "aa" * 20, apiWallet=wallet))
    gateway = (await house.api.until_pods(house.namespace, _role_of(REAL, "gateway"), ready=False, within_s=START_S))[0]
    others = [
        (await house.api.until_pods(house.namespace, _role_of(REAL, role), ready=False, within_s=START_S))[0]
        for role in ("order-state", "risk", "store")
    ]
    async with _listening(layout.outside_ip, EXCHANGE_PORT, NOT_AN_EXCHANGE):
        outside = Place("the outside", Outside.EXCHANGE, layout.outside_ip, (EXCHANGE_PORT, NOT_AN_EXCHANGE))
        source = await _place(house, gateway)

        async def leaves() -> bool:
            # A pod's own policy takes the stand-in a moment.
            return await connect(Attempt(source, outside, NOT_AN_EXCHANGE), 1.5) == "dropped"

        await house.until("the gateway's policy is in force", leaves, within_s=15)
        assert await connect(Attempt(source, outside, EXCHANGE_PORT), 10) == "connected"
        for pod in others:
            tried = Attempt(await _place(house, pod), outside, EXCHANGE_PORT)
            assert await connect(tried, 1.5) == "dropped", tried
    # Its exchange cannot be asked whether an order is left.
    await house.force("TradingAccount", REAL)


# Who is there.


async def _installation(house: House) -> list[Place]:
    """Every pod of the operator and of accounts."""
    pods = await house.api.objects("Pod", house.namespace, label="app.kubernetes.io/part-of=perpmaker")
    return list(await asyncio.gather(*(_place(house, pod) for pod in pods if pod["metadata"]["name"] != "uninstall")))


async def _place(house: House, pod: Json) -> Place:
    meta = pod["metadata"]
    labels = meta["labels"]
    role, owner = labels[names.ROLE_LABEL], labels.get(names.ACCOUNT_LABEL)
    kind: End = Outside.OPERATOR if owner is None else Role(role)
    pids = await asyncio.to_thread(house.cluster.faults.pids, meta["namespace"], meta["name"])
    return Place(meta["name"], kind, pod["status"]["podIP"], PORTS, pids[-1], owner)


async def _idle_place(house: House, pod: Json) -> Place:
    meta = pod["metadata"]
    kinds = {"monitoring": Outside.METRICS_READER, "uninstall": Chart.UNINSTALL}
    kind: End | Chart = kinds.get(meta["name"], Chart.STRANGER)
    pids = await asyncio.to_thread(house.cluster.faults.pids, meta["namespace"], meta["name"])
    return Place(meta["name"], kind, pod["status"]["podIP"], PORTS, pids[-1])


async def _dns(house: House) -> list[Place]:
    pods = await house.api.objects("Pod", "kube-system")
    return [
        Place(pod["metadata"]["name"], Outside.DNS, pod["status"]["podIP"], (53, names.METRICS_PORT)) for pod in pods
    ]


async def _settings(house: House) -> OperatorSettings:
    """What the operator was told."""
    found = await house.api.read("ConfigMap", "perpmaker-operator", house.namespace)
    return OperatorSettings.model_validate_json(found["data"]["operator.json"])


async def _account(house: House, name: str) -> TradingAccount:
    found = parse_account(await house.api.read("TradingAccount", name, house.namespace))
    assert isinstance(found, TradingAccount)
    return found


def _role_of(account_name: str, role: str) -> str:
    return f"{names.ACCOUNT_LABEL}={account_name},{names.ROLE_LABEL}={role}"


# What stands in for others.


def _idle(name: str, namespace: str, labels: dict[str, str]) -> Json:
    container = {
        "name": "idle",
        "image": PAUSE_IMAGE,
        "imagePullPolicy": "Never",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    spec = {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": spec,
    }


async def _running(api: Api, pod: Json) -> Json:
    meta = pod["metadata"]
    return await api.until_condition("Pod", meta["name"], meta["namespace"], "Ready", within_s=60)


@asynccontextmanager
async def _listening(host: str, *ports: int) -> AsyncIterator[Sequence[asyncio.Server]]:
    """Somebody outside the cluster who accepts connections."""
    servers = [await asyncio.start_server(lambda _, writer: writer.close(), host, port) for port in ports]
    try:
        yield servers
    finally:
        for server in servers:
            server.close()


def _has_dns_answer(place: Place, server: str) -> bool:
    """Ask for an address over UDP from inside a pod."""
    assert place.pid is not None
    question = b"\x07\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x0akubernetes\x07default\x03svc\x00\x00\x01\x00\x01"
    with within(place.pid, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as asking:
        asking.settimeout(1.0)
        for _ in range(3):
            asking.sendto(question, (server, 53))
            try:
                return asking.recv(512)[:2] == question[:2]
            except TimeoutError:
                continue
    return False
