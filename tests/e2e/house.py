"""One installation as its users have it: the chart in a namespace of its own, an account, and its exchange to ask.

Restricted Pod Security and NetworkPolicies are enforced, services speak TLS, the store is on a volume. What a test says
about orders it asks the exchange inside the venue's pod, never only status.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import aiohttp
import grpc
from tests.e2e import helm
from tests.e2e.api import Api, Json, Refused, condition_of
from tests.e2e.cluster.cluster import Cluster
from tests.e2e.cluster.processes import ClusterError, Process
from tests.e2e.pod_venue import PodVenue, Resting
from tests.e2e.services import Services
from tests.support.waiting import until

from perpmaker.api.v1alpha1 import API_VERSION
from perpmaker.operator.names import FORCE_DELETE

ACCOUNT: Final = "main"
MAKERS: Final = ("btc", "eth", "sol", "hype")
LEVELS: Final = 2
"""Orders a side of a maker's ladder. A scenario that asks for others gives it back before a quoter is replaced."""
IMAGE_USER: Final = 65532
START_S: Final = 90.0
"""Time for a whole account on a machine that does other things as well."""
SOON_S: Final = 20.0
OURS: Final = "app.kubernetes.io/part-of=perpmaker"
"""Label of everything of ours."""
_OF_NAMESPACE: Final = "e2e.perpmaker.io/namespace"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Installation:
    """Where a release is."""

    cluster: Cluster
    namespace: str
    values: dict[str, Any] = field(default_factory=dict)
    certificates: Path | None = None
    """Folder with one folder for each certificate, `<account>-cli-tls` among them; None without TLS."""

    def upgrade(self, **values: Any) -> None:
        """Change values of the release."""
        helm.run("upgrade", self.cluster.kubeconfig, self.namespace, {**self.values, **values})

    def admit(self, account_name: str, *makers: str) -> None:
        """Give an account a volume and, with TLS, certificates for its services and those of its makers."""
        _give_volume(self.cluster, self.namespace, account_name)
        self.certify(account_name, *makers)

    def certify(self, account_name: str, *makers: str) -> None:
        """Make certificates, or new ones in place of those that exist, by the installation's one authority."""
        if self.certificates is not None:
            _certify(self.certificates, self.namespace, account_name, makers)
            self.cluster.kubectl("apply", f"--filename={self.certificates / 'secrets.yaml'}")

    def uninstall(self, timeout_s: int = 120) -> None:
        """Remove the release as a user would, its objects first."""
        helm.run("uninstall", self.cluster.kubeconfig, self.namespace, timeout_s=timeout_s)


@contextmanager
def installed(cluster: Cluster, image: str, *, tls: bool = True, **more: Any) -> Iterator[Installation]:
    """Install the chart into a new namespace, which is taken away at the end. `more` are further values."""
    namespace = f"trading-{secrets.token_hex(3)}"
    repository, _, tag = image.rpartition(":")
    values: dict[str, Any] = {
        "image": {"repository": repository, "tag": tag, "pullPolicy": "Never"},
        "operator": {"summarySeconds": 5},
        "networkPolicy": {"defaultDeny": True},
        "children": {"rolloutPauseSeconds": 1},
    }
    cluster.kubectl("create", "namespace", namespace)
    cluster.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    if tls:
        values["tls"] = {"mode": "existingSecret", "existingSecret": "perpmaker-operator-tls"}
    values |= more
    certificates = cluster.layout.path("certificates", namespace) if tls else None
    installation = Installation(cluster, namespace, values, certificates)
    installation.admit(ACCOUNT, *MAKERS)
    helm.run("install", cluster.kubeconfig, namespace, values)
    try:
        cluster.kubectl(
            *("rollout", "status", "deployment/perpmaker-operator", "--namespace", namespace, "--timeout=90s")
        )
        yield installation
    finally:
        _take_away(cluster, namespace)


def _take_away(cluster: Cluster, namespace: str) -> None:
    """Everything at once, without the proofs that an uninstall waits for, and without waiting for the last of it."""
    kubectl = cluster.kubectl
    kubectl("delete", "mm,ta", "--all", "--namespace", namespace, "--wait=false")
    # What is being deleted gets no finalizer again.
    released = '{"metadata":{"finalizers":null}}'
    for name in kubectl("get", "mm,ta", "--namespace", namespace, "--output=name").split():
        # The operator still works, and may be faster.
        with suppress(ClusterError):
            kubectl("patch", name, "--type=merge", f"--patch={released}", "--namespace", namespace)
    kubectl("delete", "namespace", namespace, "--ignore-not-found", "--wait=false")
    kubectl("delete", "pods", "--all", "--namespace", namespace, "--force", "--grace-period=0", "--wait=false")
    # Their names are those of the next installation, too.
    kubectl("delete", "clusterrole,clusterrolebinding", f"--selector={OURS}")
    kubectl("delete", "persistentvolume", f"--selector={_OF_NAMESPACE}={namespace}", "--wait=false")


def _give_volume(cluster: Cluster, namespace: str, account_name: str) -> None:
    """A new volume for an account's store: this cluster has nobody who makes them."""
    name = f"{namespace}-{account_name}-{secrets.token_hex(2)}"
    folder = cluster.layout.path("volumes", name)
    folder.mkdir(parents=True)
    os.chown(folder, IMAGE_USER, IMAGE_USER)
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "labels": {_OF_NAMESPACE: namespace}},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "hostPath": {"path": str(cluster.layout.seen("volumes", name))},
            "claimRef": {"namespace": namespace, "name": f"data-{account_name}-store-0"},
        },
    }
    cluster.kubectl("create", "--filename=-", stdin=json.dumps(volume))


def _certify(folder: Path, namespace: str, account_name: str, makers: Iterable[str]) -> None:
    """Certificates of an account, the operator and a person, from an authority of this installation alone."""
    named = [word for maker in makers for word in ("--maker", maker)]
    subprocess.run(
        [
            sys.executable,
            *("-m", "perpmaker.cli", "certificates", "--manifests"),
            *("--namespace", namespace, "--operator-namespace", namespace),
            *("--account", account_name, *named, "--out", str(folder)),
        ],
        check=True,
        capture_output=True,
    )


def account(name: str = ACCOUNT, **spec: Any) -> Json:
    """A TradingAccount on the simulated exchange."""
    return {
        "apiVersion": API_VERSION,
        "kind": "TradingAccount",
        "metadata": {"name": name},
        "spec": {
            "network": "Simulated",
            "risk": {"maxGrossNotional": "50000", "maxDailyLoss": "5000"},
            "deadMansSwitch": {"timeoutSeconds": 10, "refreshSeconds": 3},
            **spec,
        },
    }


def maker(name: str, account_name: str = ACCOUNT, **spec: Any) -> Json:
    """A MarketMaker on the market its name says."""
    return {
        "apiVersion": API_VERSION,
        "kind": "MarketMaker",
        "metadata": {"name": name},
        "spec": {
            "accountRef": {"name": account_name},
            "market": {"symbol": name.upper()},
            "quoting": {"orderNotional": "100", "levels": LEVELS, "minRequoteIntervalMilliseconds": 250},
            "inventory": {"maxNotional": "5000"},
            "risk": {"maxDailyLoss": "1000"},
            **spec,
        },
    }


class House:
    """An installation in use."""

    def __init__(self, installation: Installation, api: Api) -> None:
        self.cluster = installation.cluster
        self.installation = installation
        self.namespace = installation.namespace
        self.api = api
        self._seen: dict[str, Process] = {}
        self.venue = PodVenue(lambda: self.living_pid_of(f"{ACCOUNT}-venue"))
        self.services = Services(ACCOUNT, self.living_pid_of, installation.certificates)

    # Doing.

    async def apply(self, *documents: Json) -> None:
        """Apply objects into the namespace."""
        await self.api.apply(
            *({**one, "metadata": {**one["metadata"], "namespace": self.namespace}} for one in documents)
        )

    async def patch(self, kind: str, name: str, **spec: Any) -> int:
        """Merge into the spec; the new generation."""
        changed = await self.api.merge(kind, name, {"spec": spec}, self.namespace)
        return int(changed["metadata"]["generation"])

    async def delete(self, kind: str, name: str) -> None:
        """Ask for the object's end."""
        await self.api.delete(kind, name, self.namespace)

    async def force(self, kind: str, name: str) -> None:
        """Let an object go without a proof that no order is left, as the documentation says; deleted or yet to be."""
        found = await self.api.read(kind, name, self.namespace)
        released = {"metadata": {"annotations": {FORCE_DELETE: found["metadata"]["uid"]}}}
        await self.api.merge(kind, name, released, self.namespace)
        await self.delete(kind, name)
        await self.api.until_gone(kind, name, self.namespace, within_s=START_S)

    async def quoting(self, *makers: str) -> str:
        """Have an account whose makers quote on both sides, whatever was before; the account's address."""
        if await self.api.get("TradingAccount", ACCOUNT, self.namespace) is None:
            await self.apply(account())
        for name in makers:
            found = await self.api.get("MarketMaker", name, self.namespace)
            if found is None:
                await self.apply(maker(name))
            elif found["spec"].get("mode", "Active") != "Active":
                await self.patch("MarketMaker", name, mode="Active")
        address = await self.address()
        for name in makers:
            await self.two_sided(name, within_s=START_S)
            await self.ready(name)
        return address

    # Asking the cluster.

    async def address(self, within_s: float = START_S) -> str:
        """The address the account trades as."""

        async def known() -> str | None:
            found = await self.api.get("TradingAccount", ACCOUNT, self.namespace)
            return ((found or {}).get("status") or {}).get("address")

        return await self.until("the account has an address", known, within_s=within_s)

    async def ready(self, name: str, kind: str = "MarketMaker", within_s: float = START_S) -> Json:
        """The object once it is Ready."""
        return await self.api.until_condition(kind, name, self.namespace, "Ready", within_s=within_s)

    async def condition(
        self, kind: str, name: str, type_: str, status: str, reason: str | None = None, within_s: float = SOON_S
    ) -> Json:
        """The condition once it has this status and reason."""

        async def holds() -> Json | None:
            found = condition_of(await self.api.read(kind, name, self.namespace), type_)
            fits = found.get("status") == status and reason in (None, found.get("reason"))
            return found if fits else None

        return await self.until(f"{kind} {name} has {type_}={status} {reason or ''}", holds, within_s=within_s)

    async def applied(self, name: str, generation: int, within_s: float = SOON_S) -> float:
        """Wait until the quoter has acknowledged a generation; seconds it took."""
        began = time.monotonic()

        async def acknowledged() -> bool:
            found = await self.api.read("MarketMaker", name, self.namespace)
            quoter = (found.get("status") or {}).get("quoter") or {}
            return int(quoter.get("appliedGeneration", 0)) >= generation

        await self.until(f"{name} uses generation {generation}", acknowledged, within_s=within_s)
        return time.monotonic() - began

    async def events(self, reason: str, name: str | None = None) -> list[Json]:
        """Events of the operator with a reason, of one object or of all."""
        found = await self.api.objects("Event", self.namespace, field=f"reason={reason}")
        return [event for event in found if name in (None, event["involvedObject"]["name"])]

    async def pod(self, workload: str) -> Json:
        """The one living pod of a Deployment or StatefulSet."""
        pods = await self.api.objects("Pod", self.namespace)
        living = [
            pod
            for pod in pods
            if pod["metadata"]["name"].startswith(f"{workload}-") and "deletionTimestamp" not in pod["metadata"]
        ]
        assert len(living) == 1, (workload, [pod["metadata"]["name"] for pod in pods])
        return living[0]

    def pid_of(self, workload: str) -> int:
        """A process of the workload's newest pod, as the host numbers it. Raises OSError while there is none."""
        try:
            names = self.cluster.kubectl(
                *("get", "pod", "-n", self.namespace, "--field-selector=status.phase=Running"),
                *("--sort-by=.metadata.creationTimestamp", "-o", "name"),
            )
            fitting = [name.removeprefix("pod/") for name in names.split() if f"/{workload}-" in name]
            return self.cluster.faults.pids(self.namespace, fitting[-1])[0]
        except (ClusterError, IndexError) as error:
            raise OSError(f"no process of {workload}: {error}") from error

    def living_pid_of(self, workload: str) -> int:
        """The same, asked of the cluster only when the process known so far has ended: works without an API server."""
        known = self._seen.get(workload)
        if known is None or not known.is_alive:
            known = Process.of(self.pid_of(workload))
            if known is None:
                raise OSError(f"the process of {workload} has ended")
            self._seen[workload] = known
        return known.pid

    # Asking the exchange.

    async def resting(self, name: str, address: str | None = None) -> Resting:
        """What the maker has in the book."""
        return await self.venue.resting(address or await self.address(), name.upper())

    async def two_sided(self, name: str, within_s: float = SOON_S) -> float:
        """Wait until the exchange shows orders on both sides; seconds it took."""
        address = await self.address(within_s=within_s)
        began = time.monotonic()

        async def both() -> bool:
            return (await self.resting(name, address)).is_two_sided

        await self.until(f"{name} has orders on both sides at the exchange", both, within_s=within_s)
        return time.monotonic() - began

    async def empty(self, name: str, within_s: float = SOON_S) -> float:
        """Wait until the exchange shows no order; seconds it took."""
        address = await self.address()
        began = time.monotonic()

        async def none() -> bool:
            return (await self.resting(name, address)).is_empty

        await self.until(f"{name} has no order at the exchange", none, within_s=within_s)
        return time.monotonic() - began

    async def until(self, what: str, probe: Callable[[], Awaitable[T | None]], *, within_s: float) -> T:
        """Wait for a condition; an API server or a pod that is away for a moment means "not yet"."""

        async def patient() -> T | None:
            try:
                return await probe()
            except (OSError, aiohttp.ClientError, grpc.RpcError, Refused):
                return None

        return await until(what, patient, within_s=within_s)
