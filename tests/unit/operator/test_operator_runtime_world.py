"""The world as watches and our own writes tell it, in every order in which they can."""

from __future__ import annotations

from typing import Any

from tests.support.kube import objects

from perpmaker.operator.interfaces import Manifest, Ref
from perpmaker.operator.kube.resources import DEPLOYMENT, MARKET_MAKER, TRADING_ACCOUNT
from perpmaker.operator.names import ACCOUNT_LABEL, MAKER_LABEL
from perpmaker.operator.runtime.routes import woken_by
from perpmaker.operator.runtime.world import Change, Scope, Store

CHILDREN = Scope(DEPLOYMENT, "trading")
MAKERS = Scope(MARKET_MAKER, "trading")
ACCOUNTS = Scope(TRADING_ACCOUNT, "trading")
QUOTER = Ref(DEPLOYMENT, "trading", "eth-quoter")


def at(version: int, manifest: Manifest | None = None, **metadata: Any) -> Manifest:
    item = manifest or objects.deployment()
    item["metadata"] |= {"resourceVersion": str(version), "uid": "u1", **metadata}
    return item


def store() -> tuple[Store, list[Change]]:
    changes: list[Change] = []
    return Store((CHILDREN, MAKERS, ACCOUNTS), changes.append), changes


def wakes(told: Store, change: Change) -> set[tuple[str, str, str]]:
    return {(ref.resource.kind, ref.name, source) for ref, source in woken_by(change, told)}


def test_it_is_synced_after_the_first_listing_of_every_watch() -> None:
    told, _ = store()
    told.replace(CHILDREN, [], "1")
    told.replace(MAKERS, [], "1")
    assert not told.is_synced
    assert told.missing == (ACCOUNTS,)
    told.replace(ACCOUNTS, [], "1")
    assert told.is_synced


def test_an_older_version_does_not_replace_a_newer_one() -> None:
    told, _ = store()
    told.put(CHILDREN, at(5))
    told.put(CHILDREN, at(4))
    found = told.get(QUOTER)
    assert found is not None
    assert found["metadata"]["resourceVersion"] == "5"


def test_the_echo_of_our_own_write_is_no_change() -> None:
    told, changes = store()
    told.learn(at(5))
    told.put(CHILDREN, at(5))
    assert [change.is_own for change in changes] == [True]


def test_an_answer_that_arrives_after_the_deletion_does_not_bring_the_object_back() -> None:
    told, _ = store()
    told.put(CHILDREN, at(5))
    told.remove(CHILDREN, at(7))
    told.learn(at(6))
    assert told.get(QUOTER) is None


def test_a_deletion_older_than_our_write_is_of_a_predecessor() -> None:
    told, _ = store()
    told.put(CHILDREN, at(5))
    told.learn(at(8))
    told.remove(CHILDREN, at(7))
    assert told.get(QUOTER) is not None


def test_a_new_listing_removes_what_it_leaves_out() -> None:
    told, changes = store()
    told.put(CHILDREN, at(5))
    told.replace(CHILDREN, [], "9")
    assert told.get(QUOTER) is None
    assert changes[-1].new is None


def test_a_new_listing_spares_what_we_wrote_after_it_was_made() -> None:
    told, _ = store()
    told.learn(at(12))
    told.replace(CHILDREN, [], "9")
    assert told.get(QUOTER) is not None


def test_a_listing_of_one_namespace_says_nothing_about_another() -> None:
    elsewhere = Scope(DEPLOYMENT, "other")
    told = Store((CHILDREN, elsewhere))
    told.put(CHILDREN, at(5))
    told.replace(elsewhere, [], "9")
    assert told.get(QUOTER) is not None


def test_one_watch_of_the_whole_cluster_covers_every_namespace() -> None:
    everywhere = Scope(DEPLOYMENT, None)
    told = Store((everywhere,))
    told.replace(everywhere, [at(5), at(6, objects.deployment(namespace="other"))], "7")
    assert len(told.list(DEPLOYMENT, "other")) == 1
    told.replace(everywhere, [], "8")
    assert told.list(DEPLOYMENT, "trading") == []


def test_lists_are_found_by_label_oldest_first() -> None:
    told, _ = store()
    told.put(CHILDREN, at(1, objects.deployment("younger"), creationTimestamp="2026-01-02T00:00:00Z"))
    told.put(CHILDREN, at(2, objects.deployment("older"), creationTimestamp="2026-01-01T00:00:00Z"))
    other = objects.deployment("other")
    other["metadata"]["labels"] = objects.labels(account="second")
    told.put(CHILDREN, at(3, other))
    found = told.list(DEPLOYMENT, "trading", {MAKER_LABEL: "eth"})
    assert [item["metadata"]["name"] for item in found] == ["older", "younger"]
    assert [i["metadata"]["name"] for i in told.list(DEPLOYMENT, "trading", {ACCOUNT_LABEL: "second"})] == ["other"]


def test_a_label_that_changed_moves_the_object_to_another_list() -> None:
    told, _ = store()
    told.put(CHILDREN, at(1))
    moved = objects.deployment()
    moved["metadata"]["labels"] = objects.labels(maker="sol")
    told.put(CHILDREN, at(2, moved))
    assert told.list(DEPLOYMENT, "trading", {MAKER_LABEL: "eth"}) == []
    assert len(told.list(DEPLOYMENT, "trading", {MAKER_LABEL: "sol"})) == 1


def test_a_write_without_our_label_is_not_watched_and_not_kept() -> None:
    told, _ = store()
    stranger = objects.deployment()
    stranger["metadata"]["labels"] = {}
    told.learn(at(5, stranger))
    assert told.get(QUOTER) is None


def test_what_is_read_can_be_changed_without_changing_the_world() -> None:
    told, _ = store()
    told.put(CHILDREN, at(5))
    found = told.get(QUOTER)
    assert found is not None
    found["spec"]["replicas"] = 99
    assert told.get(QUOTER)["spec"]["replicas"] == 1  # type: ignore[index]


def test_a_refused_watch_is_a_denial_in_its_namespace_only() -> None:
    told, _ = store()
    told.deny(CHILDREN, "no")
    assert told.denial("trading") == "no"
    assert told.denial("other") is None
    told.deny(CHILDREN, None)
    assert told.denial("trading") is None


def test_a_child_of_a_maker_wakes_the_maker() -> None:
    told, changes = store()
    told.put(CHILDREN, at(1))
    assert wakes(told, changes[-1]) == {("MarketMaker", "eth", "deployment")}


def test_a_child_of_an_account_wakes_the_account() -> None:
    told, changes = store()
    child = objects.deployment("main-gateway")
    child["metadata"]["labels"] = objects.labels()
    told.put(CHILDREN, at(1, child))
    assert wakes(told, changes[-1]) == {("TradingAccount", "main", "deployment")}


def test_a_child_that_lost_its_labels_wakes_the_owner_it_had() -> None:
    told, changes = store()
    told.put(CHILDREN, at(1))
    bare = objects.deployment()
    bare["metadata"]["labels"] = {}
    told.put(CHILDREN, at(2, bare))
    assert wakes(told, changes[-1]) == {("MarketMaker", "eth", "deployment")}


def test_our_own_write_of_a_child_wakes_nobody() -> None:
    told, changes = store()
    told.learn(at(1))
    assert wakes(told, changes[-1]) == set()


def test_an_account_wakes_its_makers_and_not_those_of_another() -> None:
    told, changes = store()
    told.put(MAKERS, at(1, objects.maker("eth")))
    told.put(MAKERS, at(2, objects.maker("sol", of="other")))
    told.put(ACCOUNTS, at(3, objects.account()))
    assert wakes(told, changes[-1]) == {("TradingAccount", "main", "object"), ("MarketMaker", "eth", "account")}


def test_figures_in_a_status_wake_nobody_else() -> None:
    told, changes = store()
    told.put(MAKERS, at(1, objects.maker()))
    told.learn(at(2, objects.maker() | {"status": {"summary": {"openOrders": 3}}}))
    assert wakes(told, changes[-1]) == set()


def test_a_condition_of_a_maker_wakes_its_account() -> None:
    told, changes = store()
    told.put(MAKERS, at(1, objects.maker()))
    ready = {"type": "Ready", "status": "True", "reason": "Quoting"}
    told.learn(at(2, objects.maker() | {"status": {"conditions": [ready]}}))
    assert wakes(told, changes[-1]) == {("TradingAccount", "main", "maker")}


def test_a_maker_that_is_gone_wakes_its_account() -> None:
    told, changes = store()
    told.put(MAKERS, at(1, objects.maker()))
    told.remove(MAKERS, at(2, objects.maker()))
    assert ("TradingAccount", "main", "maker") in wakes(told, changes[-1])
