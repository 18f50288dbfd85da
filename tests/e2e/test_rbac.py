"""The operator under the chart's Role and nothing else: enough for everything it does, and not a verb too many."""

from __future__ import annotations

import asyncio
import copy
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio
from tests.e2e import audit
from tests.e2e.api import Api, Json, condition_of
from tests.e2e.cluster.cluster import Cluster
from tests.e2e.definitions import define, let_go
from tests.e2e.house import account, maker
from tests.e2e.measure import Measure
from tests.e2e.operator_process import OPERATOR, RBAC, OperatorProcess, Release, api_port, operator_process
from tests.e2e.watching import passed
from tests.e2e.wire import Wire
from tests.support.waiting import until

from perpmaker.api.v1alpha1 import GROUP
from perpmaker.operator import names

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

VALUES: Final[Json] = {
    "operator": {"resyncSeconds": 2, "summarySeconds": 5},
    "children": {"gatewayDisruptionBudget": True},
}
"""Such that every rule of the Role is needed."""
SOON_S: Final = 90.0
WATCHED_S: Final = 5.0
"""How long a refused operator is watched for a loop."""
LOOP_PER_S: Final = 15.0
"""Requests a second for one account and one maker from which an operator that cannot get on counts as looping.

Its first looks after a refusal are a second apart and take six requests each.
"""

CHILD_KINDS: Final = {
    "deployments": ("Deployment", "main-risk"),
    "statefulsets": ("StatefulSet", "main-store"),
    "services": ("Service", "main-risk"),
    "serviceaccounts": ("ServiceAccount", "main-risk"),
    "configmaps": ("ConfigMap", "main-risk-config"),
    "networkpolicies": ("NetworkPolicy", "main-risk"),
    "poddisruptionbudgets": ("PodDisruptionBudget", "main-gateway"),
}
"""Kind of each child in the Role, and one the account has."""

NEVER_SEEN: Final = {
    **{
        ("create", plural): "making it by server-side apply asks for this and is logged as patch"
        for plural in CHILD_KINDS
    },
    ("update", "marketmakers/finalizers"): "asked for by OpenShift where a child blocks its owner's deletion",
    ("update", "tradingaccounts/finalizers"): "asked for by OpenShift where a child blocks its owner's deletion",
}
"""Verbs that the Role needs and no request of the operator shows, each with the reason."""
AT_START_ONLY: Final = {
    "list": "asked for at a start and when a watch is too old to go on",
    "update": "asked for by OpenShift only",
    "get kopfpeerings": "asked for at a start",
}
"""Rights whose loss a running operator does not notice, each with the reason."""


@dataclass(frozen=True, slots=True)
class Right:
    """One verb of one rule of a Role."""

    rule: int
    group: str
    resources: tuple[str, ...]
    verb: str

    def __str__(self) -> str:
        return f"{self.verb} {'+'.join(self.resources)}"

    def without(self, role: Json) -> Json:
        """The Role without it."""
        less = copy.deepcopy(role)
        rule = less["rules"][self.rule]
        rule["verbs"] = [verb for verb in rule["verbs"] if verb != self.verb]
        less["rules"] = [item for item in less["rules"] if item["verbs"]]
        return less


def rights_of(role: Json) -> list[Right]:
    """Every verb of every rule."""
    return [
        Right(number, rule["apiGroups"][0], tuple(rule["resources"]), verb)
        for number, rule in enumerate(role["rules"])
        for verb in rule["verbs"]
    ]


@pytest.fixture(scope="module")
def cluster(control_cluster: Cluster) -> Cluster:
    """The cluster with the chart's definitions."""
    return define(control_cluster)


@pytest_asyncio.fixture
async def api(cluster: Cluster, control_api: Api) -> Api:
    """Administrator."""
    return control_api


@asynccontextmanager
async def namespaces(api: Api, *names_: str) -> AsyncIterator[None]:
    """Namespaces for as long as the block lasts, without finalizers that would hold them."""
    for name in names_:
        await api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    try:
        yield
    finally:
        for name in names_:
            await api.delete("Namespace", name)
            await let_go(api, name)


async def place(api: Api, namespace: str, *documents: Json) -> None:
    """Apply objects into a namespace."""
    await api.apply(*({**one, "metadata": {**one["metadata"], "namespace": namespace}} for one in documents))


async def until_made(api: Api, namespace: str) -> None:
    """Wait until account and maker have their children and a status of their newest generation."""

    async def made() -> bool:
        found = {item["metadata"]["name"] for item in await api.objects("Deployment", namespace)}
        makers = await api.objects("MarketMaker", namespace)
        wanted = {"main-gateway", "main-order-state", "main-risk", "main-venue", *(["eth-quoter"] if makers else [])}
        return wanted <= found and all(map(_is_seen, [await api.read("TradingAccount", "main", namespace), *makers]))

    await until(f"children and status in {namespace}", made, within_s=SOON_S)


def _is_seen(item: Json) -> bool:
    """Whether the operator has reported on the newest version of an object."""
    return bool((item.get("status") or {}).get("observedGeneration") == item["metadata"]["generation"])


def unwanted(owner: Json, kind: str) -> Json:
    """A child that an account has and does not want, as an earlier version of the operator may have left it."""
    manifests: dict[str, Json] = {
        "Deployment": {"spec": _workload()},
        "StatefulSet": {"spec": {**_workload(), "serviceName": "old"}},
        "Service": {"spec": {"ports": [{"port": 1}]}},
        "NetworkPolicy": {"spec": {"podSelector": {}}},
        "PodDisruptionBudget": {"spec": {"maxUnavailable": 1}},
    }
    versions = {
        "Deployment": "apps/v1",
        "StatefulSet": "apps/v1",
        "NetworkPolicy": "networking.k8s.io/v1",
        "PodDisruptionBudget": "policy/v1",
    }
    metadata = owner["metadata"]
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    return {
        "apiVersion": versions.get(kind, "v1"),
        "kind": kind,
        "metadata": {
            "name": "main-old",
            "namespace": metadata["namespace"],
            "labels": {names.MANAGED_BY_LABEL: names.MANAGER, names.ACCOUNT_LABEL: metadata["name"]},
            "ownerReferences": [reference],
        },
        **manifests.get(kind, {}),
    }


def _workload() -> Json:
    labels = {"app": "old"}
    container = {"name": "main", "image": "example/old:1"}
    return {
        "replicas": 0,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
    }


# The whole of it.


async def test_the_chart_s_role_is_enough_and_every_verb_of_it_is_used(
    cluster: Cluster, api: Api, tmp_path: Path, measured: Measure
) -> None:
    namespace = f"rbac-{secrets.token_hex(3)}"
    release = Release(namespace, **VALUES)
    async with namespaces(api, namespace):
        await release.install(api)
        kubeconfig = await release.kubeconfig(api, cluster, tmp_path / "kubeconfig")
        with operator_process(release.settings, kubeconfig, tmp_path) as operator:
            await operator.said("operator.started")
            await _exercise(api, namespace, operator)
            assert operator.stop() < 15
        assert "Traceback" not in operator.log, operator.log
        assert [line for line in operator.lines if line["level"] == "error"] == []
    asked = audit.requests(cluster, release.user)
    assert [request for request in asked if request.code == audit.FORBIDDEN] == []
    assert [request for request in asked if request.resource == "secrets"] == []
    used = {request.right for request in asked}
    granted = {
        (verb, group, resource)
        for rule in release.role(namespace)["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    idle = {(verb, resource) for verb, _group, resource in granted - used}
    assert idle == set(NEVER_SEEN), "verbs of the Role that the operator did not use"
    measured("operator's Role: rights granted, seen in use", f"{len(granted)}, {len(granted & used)}")


async def _exercise(api: Api, namespace: str, operator: OperatorProcess) -> None:
    await place(api, namespace, account(), maker("eth"))
    await until_made(api, namespace)
    await _repairs(api, namespace)
    await _takes_changes(api, namespace)
    await _removes(api, namespace)
    await _sees_its_peers(api, namespace)
    await _posts(api, namespace, "DriftRepaired")
    for kind, name in (("MarketMaker", "eth"), ("TradingAccount", "main")):
        await api.delete(kind, name, namespace)
        await api.until_gone(kind, name, namespace, within_s=SOON_S)


async def _repairs(api: Api, namespace: str) -> None:
    for kind, name in CHILD_KINDS.values():
        before = await api.read(kind, name, namespace)
        await api.delete(kind, name, namespace)

        async def again(kind: str = kind, name: str = name, before: Json = before) -> bool:
            found = await api.get(kind, name, namespace)
            return found is not None and found["metadata"]["uid"] != before["metadata"]["uid"]

        await until(f"{kind} {name} is there again", again, within_s=SOON_S)
    await api.merge("Service", "main-risk", {"spec": {"publishNotReadyAddresses": False}}, namespace)

    async def repaired() -> bool:
        return bool((await api.read("Service", "main-risk", namespace))["spec"].get("publishNotReadyAddresses"))

    await until("the Service is as wanted", repaired, within_s=SOON_S)


async def _takes_changes(api: Api, namespace: str) -> None:
    changed = await api.merge("MarketMaker", "eth", {"spec": {"quoting": {"orderNotional": "321"}}}, namespace)

    async def taken() -> bool:
        config = await api.read("ConfigMap", "eth-quoter-config", namespace)
        status = (await api.read("MarketMaker", "eth", namespace))["status"]
        seen = status["observedGeneration"] == changed["metadata"]["generation"]
        return seen and "321" in config["data"][names.PART_FILE]

    await until("the change is in the quoter's ConfigMap and in status", taken, within_s=SOON_S)


async def _removes(api: Api, namespace: str) -> None:
    owner = await api.read("TradingAccount", "main", namespace)
    for kind, _ in CHILD_KINDS.values():
        await api.create(unwanted(owner, kind))
    for kind, _ in CHILD_KINDS.values():
        await api.until_gone(kind, "main-old", namespace, within_s=SOON_S)


async def _sees_its_peers(api: Api, namespace: str) -> None:
    async def told() -> bool:
        return bool((await api.read("KopfPeering", "perpmaker", namespace)).get("status"))

    await until("the operator has told its peers of itself", told, within_s=SOON_S)


async def _posts(api: Api, namespace: str, reason: str) -> None:
    async def posted() -> bool:
        return bool(await api.objects("Event", namespace, field=f"reason={reason}"))

    await until(f"Event {reason}", posted, within_s=SOON_S)


# One verb less.


class Estate:
    """A namespace for each right of the Role, each served by the same operator, each to lack one right."""

    def __init__(self, release: Release, rights: dict[str, Right]) -> None:
        self.release = release
        self.rights = rights
        """By namespace."""

    async def take(self, api: Api) -> None:
        """Take from each namespace the right that it stands for."""
        await self._write(api, {space: right.without(self.release.role(space)) for space, right in self.rights.items()})

    async def give_back(self, api: Api) -> None:
        """Give each namespace the Role as shipped."""
        await self._write(api, {space: self.release.role(space) for space in self.rights})

    async def _write(self, api: Api, roles: dict[str, Json]) -> None:
        await asyncio.gather(
            *(
                api.merge_at(f"{RBAC}/namespaces/{space}/roles/{OPERATOR}", {"rules": role["rules"]})
                for space, role in roles.items()
            )
        )


@pytest_asyncio.fixture
async def estate(api: Api) -> AsyncIterator[Estate]:
    """Everything in place, nothing taken yet."""
    mark = secrets.token_hex(3)
    home = f"less-{mark}"
    role = Release(home, **VALUES).role(home)
    rights = {f"less-{mark}-{number}": right for number, right in enumerate(rights_of(role))}
    release = Release(home, **VALUES, watchNamespaces=list(rights))
    async with namespaces(api, home, *rights):
        await release.install(api)
        yield Estate(release, rights)


async def test_without_any_one_verb_the_operator_does_not_start_and_names_it(
    cluster: Cluster, api: Api, estate: Estate, tmp_path: Path
) -> None:
    await estate.take(api)
    kubeconfig = await estate.release.kubeconfig(api, cluster, tmp_path / "kubeconfig")
    with operator_process(estate.release.settings, kubeconfig, tmp_path) as operator:
        assert await operator.ended() == 2
        told = (await operator.said("operator.cannot_start"))["reason"]
        assert "Traceback" not in operator.log
    expected = {
        f"{right.verb} {'.'.join(filter(None, (resource, right.group)))} in namespace {space} ("
        for space, right in estate.rights.items()
        for resource in right.resources
    }
    assert {words for words in expected if words not in told} == set()
    assert told.count(" in namespace ") == len(expected), told
    assert "the chart's Role has it" in told


@pytest.mark.parametrize("watching", [False, True], ids=["acting", "watching"])
async def test_a_verb_taken_from_a_running_operator_is_named_and_makes_no_loop(
    cluster: Cluster, api: Api, estate: Estate, tmp_path: Path, measured: Measure, *, watching: bool
) -> None:
    concerned = {
        space: right
        for space, right in estate.rights.items()
        if right.group != "kopf.dev" and right.verb not in AT_START_ONLY and (right.verb == "watch") is watching
    }
    async with Wire(api_port(cluster)) as wire:
        kubeconfig = await estate.release.kubeconfig(api, cluster, tmp_path / "kubeconfig", wire.port)
        settings = {**estate.release.settings, "watch_namespaces": list(concerned)}
        with operator_process(settings, kubeconfig, tmp_path) as operator:
            await operator.said("operator.started")
            for space, right in concerned.items():
                # A maker only where it matters: this is many namespaces.
                await place(api, space, account(), *([maker("eth")] if right.group == GROUP else []))
            for space in concerned:
                await until_made(api, space)
            await estate.take(api)
            if watching:
                wire.cut()
            for space, right in concerned.items():
                await _provoke(api, space, right)
            for space, right in concerned.items():
                await _is_named(api, operator, space, right)
            busiest = await _no_loop(cluster, estate.release.user, operator, list(concerned))
            measured(f"busiest namespace while a verb is missing ({'watch' if watching else 'others'})", busiest)
            await estate.give_back(api)
            for space, right in concerned.items():
                await _is_well(api, space, right)
            assert operator.process.poll() is None
            assert "Traceback" not in operator.log


async def _provoke(api: Api, space: str, right: Right) -> None:
    """Make the operator want each right that it has lost."""
    for resource in right.resources:
        match right.verb, resource:
            case ("watch", _):
                pass  # the wire was cut
            case ("get" | "patch", "marketmakers" | "tradingaccounts"):
                await api.delete("MarketMaker", "eth", space)
                await api.delete("TradingAccount", "main", space)
            case ("patch", "marketmakers/status" | "tradingaccounts/status"):
                await api.merge("MarketMaker", "eth", {"spec": {"quoting": {"levels": 3}}}, space)
                await api.merge("TradingAccount", "main", {"spec": {"risk": {"maxDailyLoss": "4000"}}}, space)
            case ("create", "events"):
                await api.delete("Service", "main-risk", space)
            case ("get" | "create" | "patch", plural) if plural in CHILD_KINDS:
                kind, name = CHILD_KINDS[plural]
                await api.delete(kind, name, space)
            case ("delete", plural) if plural in CHILD_KINDS:
                await api.create(unwanted(await api.read("TradingAccount", "main", space), CHILD_KINDS[plural][0]))
            case _:
                pytest.fail(f"no way is known to make the operator {right.verb} {resource}; tell one here")


async def _is_named(api: Api, operator: OperatorProcess, space: str, right: Right) -> None:
    """Wait until people are told of the missing verb on each resource."""

    async def told(words: str) -> bool:
        if right.resources == ("events",):
            return any(line["event"] == "event.not_posted" and words in line["error"] for line in operator.lines)
        objects = [await api.get("TradingAccount", "main", space), await api.get("MarketMaker", "eth", space)]
        stalled = [condition_of(item, "Stalled") for item in objects if item is not None]
        said = [item["message"] for item in stalled if item.get("reason") == "Forbidden"]
        said += [event["message"] for event in await api.objects("Event", space, field="type=Warning")]
        return any(words in text for text in said)

    # A maker that is held up holds up its account.
    is_one_enough = right.verb == "patch" and "marketmakers" in right.resources
    for resource in right.resources[:1] if is_one_enough else right.resources:
        words = f'cannot {right.verb} resource "{resource}"'
        await until(f"somebody is told in {space}: {words}", lambda words=words: told(words), within_s=SOON_S)


async def _no_loop(cluster: Cluster, user: str, operator: OperatorProcess, spaces: Sequence[str]) -> str:
    """Watch for a while; the busiest namespace and its requests a second."""
    began, lines, cpu_s = time.time(), len(operator.lines), operator.cpu_s
    await passed(WATCHED_S)
    asked = audit.requests(cluster, user, since_s=began)
    rates = {space: sum(request.namespace == space for request in asked) / WATCHED_S for space in spaces}
    busiest = max(rates, key=lambda space: rates[space])
    assert rates[busiest] < LOOP_PER_S, (busiest, audit.by_verb(r for r in asked if r.namespace == busiest))
    assert len(operator.lines) - lines < 2 * len(spaces), operator.lines[lines:]
    used = (operator.cpu_s - cpu_s) / WATCHED_S
    return f"{rates[busiest]:.1f} requests/s; operator of {len(spaces)} such namespaces {100 * used:.0f} % of a core"


async def _is_well(api: Api, space: str, right: Right) -> None:
    """Wait until the operator goes on where it was held up."""
    if right.verb in {"get", "patch"} and "marketmakers" in right.resources:
        await api.until_gone("TradingAccount", "main", space, within_s=90)
        return

    async def well() -> bool:
        objects = [await api.read("TradingAccount", "main", space), *await api.objects("MarketMaker", space)]
        return all(map(_is_seen, objects)) and all(
            condition_of(item, "Stalled")["status"] == "False" for item in objects
        )

    await until(f"all is well in {space} ({right})", well, within_s=90)
