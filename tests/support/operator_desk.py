"""A cluster in memory for reconcilers: objects with server-side apply, pods that start, peers behind them.

`Cluster` is the Kube; the World is the operator's own, fed as watches would.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tests.support.api import account_document, changed, maker_document
from tests.support.children import NAMESPACE, settings
from tests.support.operator_peers import Exchange, Peers
from tests.support.waiting import until

from perpmaker.operator import names
from perpmaker.operator.interfaces import EventType, KubeError, Manifest, Ref
from perpmaker.operator.kube import resources as kinds
from perpmaker.operator.names import Role
from perpmaker.operator.reconcile import build
from perpmaker.operator.runtime.world import Scope, Store
from perpmaker.operator.settings import OperatorSettings

SPEED = 20.0
"""How much faster than the wall a test's clock runs."""
NOBODY = "127.0.0.1:1"
T = TypeVar("T")


class FastClock:
    """A clock whose seconds are short."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._ahead_s = 0.0

    def monotonic_s(self) -> float:
        """See Clock."""
        return (time.monotonic() - self._began) * SPEED + self._ahead_s

    def monotonic_ns(self) -> int:
        """See Clock."""
        return int(self.monotonic_s() * 1e9)

    def now_ms(self) -> int:
        """See Clock."""
        return 1_760_000_000_000 + int(self.monotonic_s() * 1000)

    def advance_s(self, seconds: float) -> None:
        """Let time pass at once."""
        self._ahead_s += seconds


@dataclass
class Said:
    """One Event."""

    about: str
    type: EventType
    reason: str
    message: str


def merged(live: Any, applied: Any) -> Any:
    """What server-side apply by one manager makes of a map: lists are replaced."""
    if isinstance(live, dict) and isinstance(applied, dict):
        return {**live, **{key: merged(live.get(key), value) for key, value in applied.items()}}
    return deepcopy(applied)


class Cluster:
    """The API server, the kubelet and the garbage collector; implements `Kube` and, for Events and wakes, the rest."""

    def __init__(self, peers: Peers) -> None:
        self.peers = peers
        self.world = Store(Scope(resource, None) for resource in (*kinds.OWNERS, *kinds.CHILDREN, kinds.POD))
        for scope in self.world.scopes:
            self.world.replace(scope, [], "1")
        self.objects: dict[Ref, Manifest] = {}
        self.writes: list[str] = []
        self.events: list[Said] = []
        self.failures: dict[tuple[str, str], KubeError] = {}
        """By verb and kind: what the API server answers instead."""
        self.pods_start = True
        self.pod_status: dict[str, dict[str, Any]] = {}
        """Status of pods by child, where it is not simply running."""
        self._versions = itertools.count(2)
        self._uids = itertools.count(1)

    async def apply(self, manifest: Manifest) -> Manifest:
        """See Kube."""
        ref = kinds.ref_of(manifest)
        self._maybe_fail("apply", ref)
        self.writes.append(f"apply {ref.resource.kind} {ref.name}")
        return self._store(merged(self.objects.get(ref, {}), manifest))

    async def apply_status(self, ref: Ref, status: Mapping[str, Any]) -> Manifest:
        """See Kube."""
        self._maybe_fail("status", ref)
        if ref not in self.objects:
            raise KubeError("apply", ref, 404, "NotFound", "it is gone", is_absent=True)
        self.writes.append(f"status {ref.resource.kind} {ref.name}")
        return self._store({**self.objects[ref], "status": deepcopy(dict(status))})

    async def get(self, ref: Ref) -> Manifest | None:
        """See Kube."""
        self._maybe_fail("get", ref)
        return deepcopy(self.objects.get(ref))

    async def delete(self, ref: Ref, *, uid: str | None = None) -> bool:
        """See Kube."""
        self._maybe_fail("delete", ref)
        if ref not in self.objects:
            return False
        self.writes.append(f"delete {ref.resource.kind} {ref.name}")
        self.remove(ref)
        return True

    def tell(self, about: Manifest, type_: EventType, reason: str, message: str) -> None:
        """See Teller."""
        said = Said(about["metadata"]["name"], type_, reason, message)
        if said not in self.events:
            self.events.append(said)

    def wake(self, ref: Ref, source: str) -> None:
        """See Waker: everything is looked at in turn anyway."""

    def reasons(self, about: str) -> list[str]:
        """Reasons of the Events about an object."""
        return [said.reason for said in self.events if said.about == about]

    def put(self, manifest: Manifest) -> Manifest:
        """Somebody else writes an object."""
        return self._store(deepcopy(manifest))

    def remove(self, ref: Ref) -> None:
        """An object goes, whoever did it, and what it owned with it."""
        gone = self.objects.pop(ref, None)
        if gone is None:
            return
        gone["metadata"]["resourceVersion"] = str(next(self._versions))
        self._watch(gone, is_gone=True)
        if ref.resource in (kinds.DEPLOYMENT, kinds.STATEFUL_SET):
            self._stop_pod(ref)
        for child, manifest in tuple(self.objects.items()):
            owners = manifest["metadata"].get("ownerReferences") or ()
            if any(owner.get("uid") == gone["metadata"]["uid"] for owner in owners):
                self.remove(child)

    def kubelet(self) -> None:
        """Pods of every workload, started with the documents that are there now."""
        if not self.pods_start:
            return
        for ref, workload in tuple(self.objects.items()):
            if ref.resource not in (kinds.DEPLOYMENT, kinds.STATEFUL_SET):
                continue
            pod = self.objects.get(Ref(kinds.POD, ref.namespace, f"{ref.name}-0"))
            template = workload["spec"]["template"]
            same = pod is not None and pod["metadata"]["annotations"] == template["metadata"]["annotations"]
            if workload["spec"].get("replicas", 1) and not same:
                self._stop_pod(ref)
                self._start_pod(ref, template)

    def _start_pod(self, ref: Ref, template: Mapping[str, Any]) -> None:
        running = {
            "phase": "Running",
            "containerStatuses": [{"name": "main", "started": True, "restartCount": 0, "state": {"running": {}}}],
        }
        self._store(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": f"{ref.name}-0", "namespace": ref.namespace, **deepcopy(template["metadata"])},
                "spec": deepcopy(template["spec"]),
                "status": deepcopy(self.pod_status.get(ref.name, running)),
            }
        )
        service = self.peers.services.get(ref.name)
        config = self.objects.get(Ref(kinds.CONFIG_MAP, ref.namespace, f"{ref.name}-config"))
        if service is not None and config is not None and ref.name not in self.pod_status:
            service.start(config["data"][names.PART_FILE])

    def _stop_pod(self, ref: Ref) -> None:
        pod = Ref(kinds.POD, ref.namespace, f"{ref.name}-0")
        if pod not in self.objects:
            return
        service = self.peers.services.get(ref.name)
        if hasattr(service, "stop"):
            service.stop()
        self.remove(pod)

    def _store(self, manifest: Manifest) -> Manifest:
        ref = kinds.ref_of(manifest)
        meta, old = manifest["metadata"], self.objects.get(ref)
        meta["resourceVersion"] = str(next(self._versions))
        meta["uid"] = old["metadata"]["uid"] if old is not None else meta.get("uid", f"uid-{next(self._uids)}")
        meta.setdefault("creationTimestamp", f"2025-01-01T00:00:{int(meta['resourceVersion']) % 60:02}Z")
        self.objects[ref] = manifest
        self._watch(deepcopy(manifest))
        return deepcopy(manifest)

    def _watch(self, manifest: Manifest, *, is_gone: bool = False) -> None:
        resource = kinds.resource_of(manifest)
        ours = (manifest["metadata"].get("labels") or {}).get(names.MANAGED_BY_LABEL) == names.MANAGER
        if resource not in kinds.OWNERS and not ours:
            return
        scope = next(scope for scope in self.world.scopes if scope.resource == resource)
        (self.world.remove if is_gone else self.world.put)(scope, manifest)

    def _maybe_fail(self, verb: str, ref: Ref) -> None:
        error = self.failures.get((verb, ref.resource.kind))
        if error is not None:
            raise error


@dataclass
class Desk:
    """A trader with a cluster."""

    cluster: Cluster
    peers: Peers
    clock: FastClock
    settings: OperatorSettings
    reconcilers: Mapping[str, Any] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    @property
    def exchange(self) -> Exchange:
        """What is true at the exchange."""
        return self.peers.exchange

    def start_operator(self) -> None:
        """A fresh operator that remembers nothing."""
        self.reconcilers = build(
            self.settings,
            self.cluster,
            self.cluster.world,
            self.cluster,
            self.cluster,
            clock=self.clock,
            target=self._target,
            poll_s=0.05,
        )

    async def stop_operator(self) -> None:
        """It goes."""
        for reconciler in self.reconcilers.values():
            if hasattr(reconciler, "close"):
                await reconciler.close()

    def _target(self, owner: str, role: Role, namespace: str) -> str:
        return self.peers.addresses.get(names.child(owner, role), NOBODY)

    async def create_account(self, name: str = "main", **changes: Any) -> Ref:
        """kubectl apply of an account."""
        if f"{name}-gateway" not in self.peers.services:
            await self.peers.add_account(name)
        return self._create(account_document(name), changes)

    async def create_maker(self, name: str = "eth", symbol: str = "ETH", account: str = "main", **changes: Any) -> Ref:
        """kubectl apply of a maker."""
        if f"{name}-quoter" not in self.peers.services:
            await self.peers.add_quoter(name)
        return self._create(maker_document(name, symbol, account), changes)

    def _create(self, document: Manifest, changes: Mapping[str, Any]) -> Ref:
        paths = {path.replace("__", "."): value for path, value in changes.items()}
        manifest = changed(document, {"metadata.namespace": NAMESPACE, "metadata.generation": 1, **paths})
        return kinds.ref_of(self.cluster.put(manifest))

    def edit(self, ref: Ref, changes: Mapping[str, Any]) -> None:
        """kubectl patch; a change of spec is a new generation."""
        live = deepcopy(self.cluster.objects[ref])
        fresh = changed(live, dict(changes))
        if fresh["spec"] != live["spec"]:
            fresh["metadata"]["generation"] = live["metadata"]["generation"] + 1
        self.cluster.put(fresh)

    def delete(self, ref: Ref) -> None:
        """kubectl delete: the finalizer keeps it."""
        live = deepcopy(self.cluster.objects[ref])
        live["metadata"]["deletionTimestamp"] = "2025-10-09T00:00:00Z"
        live["metadata"]["generation"] += 1
        self.cluster.put(live)

    async def turn(self) -> None:
        """One look at every object."""
        self.cluster.kubelet()
        for resource in kinds.OWNERS:
            for body in self.cluster.world.list(resource, NAMESPACE):
                await self.look(kinds.ref_of(body))

    async def look(self, ref: Ref) -> None:
        """One look at one object, if it is still there."""
        live = self.cluster.world.get(ref)
        if live is None:
            return
        reconciler = self.reconcilers[ref.resource.kind]
        try:
            if "deletionTimestamp" not in live["metadata"]:
                await reconciler.reconcile(live)
            elif (await reconciler.tear_down(live)).done:
                self.cluster.remove(ref)
        except KubeError as error:
            self.errors.append(str(error))

    async def settle(self, what: str, probe: Callable[[], T | None], *, within_s: float = 60.0) -> T:
        """Look and look again until something holds."""

        async def ask() -> T | None:
            await self.turn()
            return probe()

        return await until(what, ask, within_s=within_s)

    async def rest(self, turns: int = 8) -> None:
        """Some more looks, with pauses in which peers are asked."""
        for _ in range(turns):
            await self.turn()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.5 / SPEED):
                    await asyncio.Event().wait()

    def condition(self, ref: Ref, type_: str) -> tuple[str, str]:
        """Status and reason of a condition; empty when it is not there."""
        found = self.find(ref, type_)
        return (found.get("status", ""), found.get("reason", ""))

    def find(self, ref: Ref, type_: str) -> dict[str, Any]:
        """A condition."""
        listed = (self.cluster.objects[ref].get("status") or {}).get("conditions") or ()
        return next((item for item in listed if item["type"] == type_), {})

    def status(self, ref: Ref) -> dict[str, Any]:
        """Status as written."""
        status: dict[str, Any] = self.cluster.objects[ref].get("status") or {}
        return status

    def is_gone(self, ref: Ref) -> bool:
        """Whether the object was released."""
        return ref not in self.cluster.objects

    def deployment(self, name: str) -> Manifest | None:
        """A Deployment."""
        return self.cluster.objects.get(Ref(kinds.DEPLOYMENT, NAMESPACE, name))

    async def quoting(self, name: str = "eth", symbol: str = "ETH", **changes: Any) -> tuple[Ref, Ref]:
        """An account with one maker that quotes."""
        account = await self.create_account()
        maker = await self.create_maker(name, symbol, **changes)
        await self.settle("the maker quotes", lambda: self.condition(maker, "Ready") == ("True", "Quoting"))
        return account, maker


@asynccontextmanager
async def desk(changes: Mapping[str, Any] | None = None) -> AsyncIterator[Desk]:
    """A cluster with an operator in it."""
    peers = Peers()
    here = Desk(Cluster(peers), peers, FastClock(), settings(changes))
    here.start_operator()
    try:
        yield here
    finally:
        await here.stop_operator()
        await peers.stop()
