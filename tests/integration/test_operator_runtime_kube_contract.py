"""What the operator relies on in an API server. Runs against the fake, and against a real one where there is one, so
that the fake is known to tell the truth in everything that the other tests build on.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.support.kube import bench as benches
from tests.support.kube import objects
from tests.support.kube.bench import Bench
from tests.support.waiting import until

from perpmaker.operator.interfaces import KubeError, Manifest, Resource
from perpmaker.operator.kube.answers import OPEN, WatchEvent
from perpmaker.operator.kube.client import path_of
from perpmaker.operator.kube.resources import (
    CERTIFICATE,
    CONFIG_MAP,
    DEPLOYMENT,
    MARKET_MAKER,
    OWNERS,
    SERVICE,
    TRADING_ACCOUNT,
)
from perpmaker.operator.names import MANAGED_BY_LABEL, MANAGER

OURS = {MANAGED_BY_LABEL: MANAGER}


@pytest.fixture(params=["fake", "real"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    async with benches.bench(request.param) as found:
        yield found


def _in(bench: Bench, manifest: Manifest) -> Manifest:
    manifest["metadata"]["namespace"] = bench.namespace
    return manifest


class Following:
    """A watch in the background that keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[WatchEvent] = []
        self.error: Exception | None = None

    def told(self, type_: str, name: str) -> bool:
        return any(e.type == type_ and e.object["metadata"].get("name") == name for e in self.events)


@contextlib.asynccontextmanager
async def following(bench: Bench, resource: Any, version: str, labels: Any = None) -> AsyncIterator[Following]:
    seen = Following()

    async def follow() -> None:
        async for event in bench.api.watch(resource, bench.namespace, version, labels):
            seen.events.append(event)

    task = asyncio.create_task(follow())
    try:

        async def is_open() -> bool:
            return bool(seen.events) and seen.events[0].type == OPEN

        await until("the watch to be open", is_open, within_s=5)
        yield seen
    finally:
        task.cancel()
        await asyncio.wait((task,))


async def test_our_kinds_are_served_and_an_unknown_one_is_not(bench: Bench) -> None:
    for resource in OWNERS:
        assert await bench.api.serves(resource)
    unknown = type(CERTIFICATE)("perpmaker.io/v9", "Nothing", "nothings")
    assert not await bench.api.serves(unknown)


async def test_applying_twice_writes_once(bench: Bench) -> None:
    # Nobody else writes to a Service of this kind; a Deployment's controller would.
    first = await bench.api.apply(_in(bench, objects.service()))
    second = await bench.api.apply(_in(bench, objects.service()))
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


async def test_applying_less_removes_what_we_had_set_before(bench: Bench) -> None:
    await bench.api.apply(_in(bench, objects.config_map(a="1", b="2")))
    after = await bench.api.apply(_in(bench, objects.config_map(a="1")))
    assert after["data"] == {"a": "1"}


async def test_applying_leaves_alone_what_others_have_set(bench: Bench) -> None:
    await bench.api.apply(_in(bench, objects.config_map(a="1")))
    ref = bench.ref(CONFIG_MAP, "config")
    await bench.patch(ref, {"metadata": {"annotations": {"mesh": "yes"}}, "data": {"theirs": "2"}})
    after = await bench.api.apply(_in(bench, objects.config_map(a="3")))
    assert after["data"] == {"a": "3", "theirs": "2"}
    assert after["metadata"]["annotations"]["mesh"] == "yes"


async def test_applying_takes_back_what_another_has_changed(bench: Bench) -> None:
    await bench.api.apply(_in(bench, objects.deployment(replicas=1)))
    await bench.patch(bench.ref(DEPLOYMENT, "eth-quoter"), {"spec": {"replicas": 5}})
    after = await bench.api.apply(_in(bench, objects.deployment(replicas=1)))
    assert after["spec"]["replicas"] == 1


async def test_a_label_that_another_removed_comes_back(bench: Bench) -> None:
    await bench.api.apply(_in(bench, objects.config_map(a="1")))
    await bench.patch(bench.ref(CONFIG_MAP, "config"), {"metadata": {"labels": {MANAGED_BY_LABEL: None}}})
    after = await bench.api.apply(_in(bench, objects.config_map(a="1")))
    assert after["metadata"]["labels"][MANAGED_BY_LABEL] == MANAGER


async def test_status_is_written_alone_and_does_not_count_as_a_generation(bench: Bench) -> None:
    created = await bench.create(objects.account())
    ref = bench.ref(TRADING_ACCOUNT, "main")
    after = await bench.api.apply_status(ref, {"marketMakers": 3})
    assert after["status"]["marketMakers"] == 3
    assert after["spec"] == created["spec"]
    assert after["metadata"]["generation"] == created["metadata"]["generation"]


async def test_the_same_status_again_writes_nothing(bench: Bench) -> None:
    await bench.create(objects.account())
    ref = bench.ref(TRADING_ACCOUNT, "main")
    first = await bench.api.apply_status(ref, {"marketMakers": 3})
    second = await bench.api.apply_status(ref, {"marketMakers": 3})
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


async def test_a_status_field_that_is_no_longer_said_goes(bench: Bench) -> None:
    await bench.create(objects.account())
    ref = bench.ref(TRADING_ACCOUNT, "main")
    await bench.api.apply_status(ref, {"marketMakers": 3, "observedGeneration": 1})
    after = await bench.api.apply_status(ref, {"observedGeneration": 1})
    assert "marketMakers" not in after["status"]


async def test_conditions_are_merged_by_type(bench: Bench) -> None:
    await bench.create(objects.account())
    ref = bench.ref(TRADING_ACCOUNT, "main")
    at = "2026-01-01T00:00:00Z"
    ready = {"type": "Ready", "status": "False", "reason": "Starting", "message": "", "lastTransitionTime": at}
    stalled = {**ready, "type": "Stalled"}
    await bench.api.apply_status(ref, {"conditions": [ready, stalled]})
    after = await bench.api.apply_status(ref, {"conditions": [{**ready, "status": "True"}]})
    assert [(c["type"], c["status"]) for c in after["status"]["conditions"]] == [("Ready", "True")]


async def test_status_in_the_main_resource_is_ignored(bench: Bench) -> None:
    await bench.create(objects.account())
    after = await bench.patch(bench.ref(TRADING_ACCOUNT, "main"), {"status": {"marketMakers": 9}})
    assert "marketMakers" not in after.get("status", {})


async def test_status_of_a_missing_object_is_not_found(bench: Bench) -> None:
    with pytest.raises(KubeError) as caught:
        await bench.api.apply_status(bench.ref(TRADING_ACCOUNT, "nobody"), {"marketMakers": 1})
    assert caught.value.status == 404


async def test_a_change_of_the_spec_counts_as_a_generation(bench: Bench) -> None:
    await bench.create(objects.maker())
    after = await bench.patch(bench.ref(MARKET_MAKER, "eth"), {"spec": {"mode": "Paused"}})
    assert after["metadata"]["generation"] == 2


async def test_a_change_of_an_annotation_does_not_count_as_a_generation(bench: Bench) -> None:
    await bench.create(objects.maker())
    after = await bench.patch(bench.ref(MARKET_MAKER, "eth"), {"metadata": {"annotations": {"a": "b"}}})
    assert after["metadata"]["generation"] == 1


async def test_an_invalid_object_is_refused_with_the_field(bench: Bench) -> None:
    with pytest.raises(KubeError) as caught:
        await bench.api.apply(_in(bench, objects.config_map("Bad_Name")))
    assert caught.value.status == 422
    assert caught.value.reason == "Invalid"
    assert caught.value.causes[0].startswith("metadata.name: Invalid value")


async def test_what_is_not_there_reads_as_none_and_deletes_as_false(bench: Bench) -> None:
    ref = bench.ref(SERVICE, "nothing")
    assert await bench.api.get(ref) is None
    assert not await bench.api.delete(ref)


@pytest.mark.parametrize("verb", ["get", "delete", "apply_status"])
async def test_an_object_that_is_not_there_is_told_from_a_kind_that_is_not_served(bench: Bench, verb: str) -> None:
    unserved = Resource("perpmaker.io/v9", "MarketMaker", "marketmakers")
    status: Manifest = {"summary": {}}
    asked = (bench.ref(unserved, "eth"), status) if verb == "apply_status" else (bench.ref(unserved, "eth"),)
    with pytest.raises(KubeError) as caught:
        await getattr(bench.api, verb)(*asked)
    assert (caught.value.status, caught.value.is_absent) == (404, False)
    with pytest.raises(KubeError) as caught:
        await bench.api.apply_status(bench.ref(MARKET_MAKER, "eth"), status)
    assert (caught.value.status, caught.value.is_absent) == (404, True)


async def test_deleting_with_the_uid_of_a_predecessor_spares_the_namesake(bench: Bench) -> None:
    await bench.create(objects.config_map(a="1"))
    ref = bench.ref(CONFIG_MAP, "config")
    assert not await bench.api.delete(ref, uid="00000000-0000-0000-0000-000000000000")
    assert await bench.get(ref) is not None


async def test_deleting_with_the_right_uid_deletes(bench: Bench) -> None:
    created = await bench.create(objects.config_map(a="1"))
    ref = bench.ref(CONFIG_MAP, "config")
    assert await bench.api.delete(ref, uid=created["metadata"]["uid"])

    async def gone() -> bool:
        return await bench.get(ref) is None

    await until("the ConfigMap to be gone", gone, within_s=10)


async def test_a_finalizer_holds_a_deleted_object_until_it_is_removed(bench: Bench) -> None:
    await bench.create(objects.maker())
    ref = bench.ref(MARKET_MAKER, "eth")
    await bench.patch(ref, {"metadata": {"finalizers": ["perpmaker.io/finalizer"]}})
    await bench.delete(ref)
    held = await bench.get(ref)
    assert held is not None
    assert held["metadata"]["deletionTimestamp"]
    assert held["metadata"]["generation"] == 2
    await bench.patch(ref, {"metadata": {"finalizers": None}})
    assert await bench.get(ref) is None


async def test_no_finalizer_can_be_added_to_an_object_that_is_being_deleted(bench: Bench) -> None:
    await bench.create(objects.maker())
    ref = bench.ref(MARKET_MAKER, "eth")
    await bench.patch(ref, {"metadata": {"finalizers": ["perpmaker.io/finalizer"]}})
    await bench.delete(ref)
    more = {"metadata": {"finalizers": ["perpmaker.io/finalizer", "perpmaker.io/another"]}}
    path = path_of(ref.resource, ref.namespace, ref.name)
    code, _answer = await bench.ask("PATCH", path, more, "application/merge-patch+json")
    assert code == 422
    await bench.patch(ref, {"metadata": {"finalizers": None}})


async def test_a_json_patch_whose_test_fails_is_refused(bench: Bench) -> None:
    await bench.create(objects.maker())
    ref = bench.ref(MARKET_MAKER, "eth")
    operations = [
        {"op": "test", "path": "/metadata/resourceVersion", "value": "1"},
        {"op": "add", "path": "/metadata/finalizers", "value": ["perpmaker.io/finalizer"]},
    ]
    path = path_of(ref.resource, ref.namespace, ref.name)
    code, _answer = await bench.ask("PATCH", path, operations, "application/json-patch+json")
    assert code == 422


async def test_children_go_when_their_owner_is_gone(bench: Bench) -> None:
    owner = await bench.create(objects.maker())
    await bench.api.apply(objects.owned_by(_in(bench, objects.config_map(a="1")), owner))
    await bench.delete(bench.ref(MARKET_MAKER, "eth"))

    async def gone() -> bool:
        return await bench.get(bench.ref(CONFIG_MAP, "config")) is None

    await until("the child to be collected", gone, within_s=30)


async def test_a_listing_keeps_to_the_label(bench: Bench) -> None:
    await bench.create(objects.service())
    stranger = objects.service("stranger")
    stranger["metadata"]["labels"] = {}
    await bench.create(stranger)
    listing = await bench.api.list(SERVICE, bench.namespace, OURS)
    assert [item["metadata"]["name"] for item in listing.items] == ["main-gateway"]
    assert listing.items[0]["kind"] == "Service"


async def test_a_watch_tells_what_happened_since_the_listing(bench: Bench) -> None:
    listing = await bench.api.list(SERVICE, bench.namespace, OURS)
    await bench.create(objects.service("before"))
    async with following(bench, SERVICE, listing.version, OURS) as seen:
        await bench.create(objects.service("after"))
        await bench.patch(bench.ref(SERVICE, "before"), {"metadata": {"annotations": {"a": "b"}}})
        await bench.delete(bench.ref(SERVICE, "after"))

        async def told() -> bool:
            return seen.told("ADDED", "before") and seen.told("MODIFIED", "before") and seen.told("DELETED", "after")

        await until("the watch to tell everything", told, within_s=10)


async def test_losing_the_label_reads_as_deleted_and_regaining_it_as_added(bench: Bench) -> None:
    await bench.create(objects.service())
    listing = await bench.api.list(SERVICE, bench.namespace, OURS)
    ref = bench.ref(SERVICE, "main-gateway")
    async with following(bench, SERVICE, listing.version, OURS) as seen:
        await bench.patch(ref, {"metadata": {"labels": {MANAGED_BY_LABEL: None}}})
        lost = await bench.get(ref)
        await bench.patch(ref, {"metadata": {"labels": OURS}})

        async def told() -> bool:
            return seen.told("DELETED", "main-gateway") and seen.told("ADDED", "main-gateway")

        await until("the watch to tell both", told, within_s=10)
        deleted = next(e.object for e in seen.events if e.type == "DELETED")
        assert lost is not None
        assert deleted["metadata"]["resourceVersion"] == lost["metadata"]["resourceVersion"]


async def test_we_are_told_which_rights_we_have(bench: Bench) -> None:
    assert await bench.api.may("patch", "perpmaker.io", "marketmakers/status", bench.namespace)
    assert await bench.api.may("list", "", "pods", bench.namespace)


async def test_an_event_can_be_posted(bench: Bench) -> None:
    from datetime import UTC, datetime

    from perpmaker.operator.interfaces import EventType
    from perpmaker.operator.runtime import events

    created = await bench.create(objects.maker())
    event = events.build(created, EventType.WARNING, "Invalid", "because", "me", datetime.now(UTC))
    await bench.api.post_event(bench.namespace, event)
    (found,) = await bench.events("Invalid")
    assert found["involvedObject"]["uid"] == created["metadata"]["uid"]
    assert (found["type"], found["message"], found["source"]["component"]) == ("Warning", "because", MANAGER)
