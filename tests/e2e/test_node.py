"""The node itself: our image in real pods, names, policies, and every fault that later scenarios lean on."""

from __future__ import annotations

import asyncio
import json
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from tests.e2e.api import Api, Refused, condition_of
from tests.e2e.cluster.cluster import Cluster
from tests.e2e.cluster.layout import NODE_NAME
from tests.e2e.cluster.processes import ClusterError
from tests.e2e.measure import Measure
from tests.e2e.pod_venue import API_PORT, PodVenue
from tests.e2e.workloads import policy, venue
from tests.support.waiting import until

pytestmark = pytest.mark.e2e

_CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=2).close()"


@dataclass(frozen=True, slots=True)
class Running:
    """A venue that is ready in a namespace of its own."""

    cluster: Cluster
    namespace: str
    pod: str
    pod_ip: str
    service_ip: str
    ready_after_s: float

    async def answers(self, address: str | None = None) -> bool:
        """Whether the host gets an answer from the venue, at the pod's address or another."""
        try:
            return "universe" in await asyncio.to_thread(_ask, f"http://{address or self.pod_ip}:{API_PORT}/info")
        except OSError:
            return False

    async def reached_from(self, pod: str, address: str | None = None, port: int = API_PORT) -> bool:
        """Whether a pod can open a connection: to the venue, or elsewhere."""
        words = (sys.executable, "-c", _CONNECT, address or self.pod_ip, str(port))
        done = await asyncio.to_thread(self.cluster.faults.exec_in_netns, self.namespace, pod, *words)
        return done.returncode == 0


def _ask(url: str) -> Any:
    body = json.dumps({"type": "meta"}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=2) as answer:
        return json.load(answer)


async def _start(cluster: Cluster, api: Api, namespace: str, name: str) -> Running:
    began = time.monotonic()
    await api.apply(*venue(namespace, name))
    (pod,) = await api.until_pods(namespace, f"app={name}", within_s=60)
    ready_after_s = time.monotonic() - began
    service = await api.read("Service", name, namespace)
    return Running(
        cluster=cluster,
        namespace=namespace,
        pod=pod["metadata"]["name"],
        pod_ip=pod["status"]["podIP"],
        service_ip=service["spec"]["clusterIP"],
        ready_after_s=ready_after_s,
    )


@pytest_asyncio.fixture
async def running(node_cluster: Cluster, node_api: Api, node_namespace: str) -> Running:
    """A venue that is ready."""
    return await _start(node_cluster, node_api, node_namespace, "venue")


@pytest_asyncio.fixture
async def neighbour(node_cluster: Cluster, node_api: Api, node_namespace: str) -> str:
    """Another pod of the same namespace."""
    return (await _start(node_cluster, node_api, node_namespace, "neighbour")).pod


@pytest.fixture
def thread(node_cluster: Cluster) -> Callable[..., Any]:
    """Run one of the cluster's verbs, which wait, beside the event loop."""

    def call(verb: Callable[..., Any], *words: Any) -> Any:
        return asyncio.to_thread(verb, *words)

    return call


class TestImage:
    """Our image in a pod."""

    async def test_the_venue_is_ready_and_asked_by_address_by_service_and_from_inside(
        self, running: Running, measured: Measure
    ) -> None:
        assert await running.answers()

        async def leads_to_it() -> bool:
            return await running.answers(running.service_ip)

        await until("the Service leads to the pod", leads_to_it, within_s=15)
        inside = PodVenue(lambda: running.cluster.faults.pids(running.namespace, running.pod)[0])
        assert "universe" in await inside.info("meta")
        measured("venue in a pod, from apply to ready", f"{running.ready_after_s:.1f} s")

    async def test_a_pod_that_would_run_as_root_is_refused(self, node_api: Api, node_namespace: str) -> None:
        deployment = venue(node_namespace)[0]
        spec = {**deployment["spec"]["template"]["spec"], "securityContext": {"runAsUser": 0}}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "root", "namespace": node_namespace}}
        with pytest.raises(Refused, match="violates PodSecurity") as refused:
            await node_api.create({**pod, "spec": spec})
        assert refused.value.status == 403

    async def test_names_of_services_resolve_in_every_length(self, running: Running) -> None:
        ask = "import socket, sys; print(*(socket.gethostbyname(name) for name in sys.argv[1:]))"
        names = ("venue", f"venue.{running.namespace}.svc", f"venue.{running.namespace}.svc.cluster.local")
        words = ("exec", running.pod, f"--namespace={running.namespace}", "--", "python3", "-c", ask, *names)
        told = await asyncio.to_thread(running.cluster.kubectl, *words)
        assert told.split() == [running.service_ip] * len(names)

    async def test_the_command_starts_in_a_tenth_of_a_second_or_two(self, running: Running, measured: Measure) -> None:
        code = (
            "import subprocess, time; began = time.monotonic();"
            " subprocess.run(['perpmaker', '--version'], check=True, capture_output=True);"
            " print(time.monotonic() - began)"
        )
        words = ("exec", running.pod, f"--namespace={running.namespace}", "--", "python3", "-c", code)
        told = await asyncio.to_thread(running.cluster.kubectl, *words)
        measured("perpmaker --version in a pod", f"{float(told) * 1000:.0f} ms")
        assert float(told) < 2


class TestPolicies:
    """NetworkPolicies are in force."""

    async def test_default_deny_cuts_a_neighbour_until_a_policy_lets_it_in(
        self, running: Running, neighbour: str, node_api: Api
    ) -> None:
        assert await running.reached_from(neighbour)
        await node_api.apply(policy(running.namespace, "deny", policyTypes=["Ingress"]))

        async def cut() -> bool:
            return not await running.reached_from(neighbour)

        await until("the neighbour is refused", cut, within_s=10)
        assert await running.answers(), "the test itself must still get in"
        peer = {"podSelector": {"matchLabels": {"app": "neighbour"}}}
        rule = {"from": [peer], "ports": [{"port": "api"}]}
        allow = policy(running.namespace, "allow", policyTypes=["Ingress"], ingress=[rule])
        await node_api.apply(allow)

        async def let_in() -> bool:
            return await running.reached_from(neighbour)

        await until("the neighbour is let in", let_in, within_s=10)
        await node_api.delete("NetworkPolicy", "allow", running.namespace)
        await until("the neighbour is refused again", cut, within_s=10)
        pod = await node_api.read("Pod", running.pod, running.namespace)
        assert condition_of(pod, "Ready")["status"] == "True", "probes come from the node and pass"

    async def test_denied_egress_keeps_a_pod_from_names_from_the_api_server_and_from_the_outside(
        self, running: Running, node_api: Api
    ) -> None:
        layout = running.cluster.layout
        server = await asyncio.start_server(lambda _, writer: writer.close(), layout.outside_ip, 0)
        outside: int = server.sockets[0].getsockname()[1]
        targets = [(layout.dns_ip, 53), (layout.node_ip, layout.ports.api), (layout.outside_ip, outside)]
        async with server:
            for target in targets:
                assert await running.reached_from(running.pod, *target), target
            await node_api.apply(policy(running.namespace, "deny", policyTypes=["Egress"]))
            for target in targets:

                async def cut(target: tuple[str, int] = target) -> bool:
                    return not await running.reached_from(running.pod, *target)

                await until(f"{target} is out of reach", cut, within_s=10)
            assert await running.answers(), "replies pass"


class TestFaults:
    """Each fault does what its name says, and its end ends it."""

    async def test_a_pod_that_is_cut_is_reached_by_nobody_until_it_is_healed(
        self, running: Running, neighbour: str, thread: Callable[..., Any]
    ) -> None:
        ip = await thread(running.cluster.faults.cut, running.namespace, running.pod)
        try:
            assert not await running.answers()
            assert not await running.reached_from(neighbour)
            assert not await running.reached_from(running.pod, running.cluster.layout.dns_ip, 53)
        finally:
            await thread(running.cluster.faults.heal, ip)
        assert await running.answers()
        assert await running.reached_from(neighbour)

    async def test_a_frozen_pod_accepts_and_does_not_answer_until_it_goes_on(
        self, running: Running, neighbour: str, thread: Callable[..., Any]
    ) -> None:
        stopped = await thread(running.cluster.faults.pause, running.namespace, running.pod)
        try:
            assert not await running.answers()
            assert await running.reached_from(neighbour), "its kernel still accepts"
        finally:
            running.cluster.faults.resume(stopped)
        await until("it answers again", running.answers, within_s=10)

    async def test_a_pod_deleted_with_force_is_replaced(self, running: Running, node_api: Api) -> None:
        words = ("delete", "pod", running.pod, f"--namespace={running.namespace}", "--force", "--grace-period=0")
        await asyncio.to_thread(running.cluster.kubectl, *words)
        (replacement,) = await node_api.until_pods(running.namespace, "app=venue", within_s=60)
        assert replacement["metadata"]["name"] != running.pod
        assert await running.answers(replacement["status"]["podIP"])

    async def test_pods_go_on_without_a_kubelet_and_the_node_comes_back(
        self, running: Running, node_api: Api, thread: Callable[..., Any], measured: Measure
    ) -> None:
        await thread(running.cluster.kill, "kubelet")
        began = time.monotonic()
        try:
            await node_api.until_condition("Node", NODE_NAME, None, "Ready", "Unknown", within_s=60)
            measured("kubelet killed, node not ready after", f"{time.monotonic() - began:.1f} s")
            assert await running.answers()
        finally:
            await thread(running.cluster.start, "kubelet")
        await node_api.until_condition("Node", NODE_NAME, None, "Ready", within_s=60)
        await node_api.until_pods(running.namespace, "app=venue", within_s=60)
        assert await running.answers()

    async def test_pods_go_on_without_an_api_server_and_it_comes_back(
        self, running: Running, node_api: Api, thread: Callable[..., Any], measured: Measure
    ) -> None:
        await thread(running.cluster.kill, "kube-apiserver")
        try:
            with pytest.raises(ClusterError):
                await thread(running.cluster.kubectl, "get", "namespaces")
            assert await running.answers()
        finally:
            began = time.monotonic()
            await thread(running.cluster.start, "kube-apiserver")
            measured("API server started, ready after", f"{time.monotonic() - began:.1f} s")
        await node_api.until_pods(running.namespace, "app=venue", within_s=60)

    async def test_a_frozen_api_server_lets_requests_hang_until_it_goes_on(
        self, running: Running, node_api: Api, thread: Callable[..., Any]
    ) -> None:
        await thread(running.cluster.pause, "kube-apiserver")
        try:
            with pytest.raises(ClusterError):
                await thread(running.cluster.kubectl, "get", "namespaces", "--request-timeout=1s")
        finally:
            await thread(running.cluster.resume, "kube-apiserver")
        assert await node_api.read("Namespace", running.namespace)
