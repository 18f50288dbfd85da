"""What scenarios do to a running installation, and what they read besides status and the book."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from tests.e2e.api import Json, condition_of
from tests.e2e.cluster.processes import ClusterError
from tests.e2e.house import ACCOUNT, START_S, House
from tests.e2e.netns import NetnsHttp

OPERATOR: Final = "perpmaker-operator"
METRICS_PORT: Final = 9090


async def sigkill(house: House, workload: str) -> None:
    """End the process of a workload at once and leave its pod to the kubelet."""
    pod = (await house.pod(workload))["metadata"]["name"]
    os.kill(house.cluster.faults.pids(house.namespace, pod)[0], signal.SIGKILL)


async def force_delete(house: House, workload: str) -> None:
    """kubectl delete pod --force."""
    pod = (await house.pod(workload))["metadata"]["name"]
    await house.api.delete("Pod", pod, house.namespace, grace_s=0)


Killing = Callable[[House, str], Awaitable[None]]


async def back(house: House, workload: str, since: Json) -> Json:
    """Wait until a workload's pod is ready again in another container than before."""

    async def is_new() -> Json | None:
        pod = await house.pod(workload)
        statuses = pod["status"].get("containerStatuses") or [{}]
        before = since["status"]["containerStatuses"][0].get("containerID")
        is_other = statuses[0].get("containerID") not in (before, None)
        return pod if is_other and condition_of(pod, "Ready").get("status") == "True" else None

    async def patiently() -> Json | None:
        try:
            return await is_new()
        except AssertionError:  # no pod, or two of them: it is being replaced
            return None

    return await house.until(f"{workload} is ready again", patiently, within_s=START_S)


async def uids(house: House, *workloads: str) -> dict[str, tuple[str, int]]:
    """Identity of the pods and how often their containers were started again."""
    pods = {workload: await house.pod(workload) for workload in workloads}
    return {
        workload: (pod["metadata"]["uid"], pod["status"]["containerStatuses"][0]["restartCount"])
        for workload, pod in pods.items()
    }


async def metric(house: House, workload: str, name: str) -> float | None:
    """A series of a workload's process, summed over its labels; None when it has none."""
    return await metric_of(house, (await house.pod(workload))["metadata"]["name"], name)


async def metric_of(house: House, pod: str, name: str) -> float | None:
    """The same of one pod."""

    def read() -> str:
        try:
            pid = house.cluster.faults.pids(house.namespace, pod)[0]
        except ClusterError as error:
            raise OSError(str(error)) from error
        connection = NetnsHttp(pid, METRICS_PORT)
        try:
            connection.request("GET", "/metrics")
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    found = re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", await asyncio.to_thread(read), re.MULTILINE)
    return sum(map(float, found)) if found else None


async def position(house: House, market: str) -> Decimal:
    """What the exchange says the account holds."""
    state = await house.venue.info("clearinghouseState", user=await house.address())
    held = {one["position"]["coin"]: one["position"]["szi"] for one in state["assetPositions"]}
    return Decimal(held.get(market, "0"))


async def hold_something(house: House, name: str) -> Decimal:
    """Trade against the maker until it holds a position; what that is."""
    market = name.upper()

    async def has_position() -> Decimal | None:
        held = await position(house, market)
        if held:
            return held
        orders = [one for one in await house.venue.open_orders(await house.address(), market) if one["side"] == "B"]
        if orders:
            # Large enough to reach our level behind whoever stands before it.
            await house.venue.control("trade", coin=market, side="A", sz=str(Decimal(orders[0]["origSz"]) * 10))
        return None

    return await house.until(f"{name} holds a position", has_position, within_s=60)


async def trip_of(house: House, kind: str, name: str) -> Json:
    """The latched trip that status shows."""

    async def tripped() -> Json | None:
        switch: Json = ((await house.api.read(kind, name, house.namespace)).get("status") or {}).get("killSwitch") or {}
        return switch if switch.get("state") == "Tripped" else None

    return await house.until(f"{kind} {name} shows its trip", tripped, within_s=30)


async def since(
    began_s: float, house: House, what: str, probe: Callable[[], Awaitable[bool]], within_s: float
) -> float:
    """Wait for something; seconds from the beginning that was noted."""
    await house.until(what, probe, within_s=within_s)
    return time.monotonic() - began_s


def logged_at(house: House, workload: str, event: str, **fields: Any) -> datetime:
    """When a service wrote a line of its log, by the container runtime's clock. Fails when it did not."""
    names = house.cluster.kubectl("get", "pod", "-n", house.namespace, "-o", "name").split()
    pod = next(name for name in names if f"/{workload}-" in name)
    text = house.cluster.kubectl("logs", pod, "-n", house.namespace, "--timestamps", "--tail=2000")
    stamps = []
    for line in text.splitlines():
        stamp, _, rest = line.partition(" ")
        if event not in rest:
            continue
        entry = json.loads(rest)
        if entry.get("event") == event and all(entry.get(key) == value for key, value in fields.items()):
            stamps.append(datetime.fromisoformat(stamp))
    assert stamps, f"{workload} has not logged {event} {fields}"
    return stamps[-1]


async def document(house: House, name: str) -> Json:
    """What a service is told, without its revision; empty while it is none."""
    config = await house.api.read("ConfigMap", name, house.namespace)
    part: Json = json.loads(config["data"]["part.json"])
    part.pop("revision", None)
    return part


async def revision_of(house: House, role: str) -> int:
    """Revision of the document that one of the account's services is to use."""
    config = await house.api.read("ConfigMap", f"{ACCOUNT}-{role}-config", house.namespace)
    return int(config["metadata"]["annotations"]["perpmaker.io/revision"])
