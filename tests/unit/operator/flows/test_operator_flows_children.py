"""What the cluster holds beside what it should hold: put right, told, or left to whoever owns it."""

from __future__ import annotations

import pytest
from tests.support.children import NAMESPACE
from tests.support.operator_desk import Desk

from perpmaker.operator import names
from perpmaker.operator.interfaces import KubeError, Ref
from perpmaker.operator.kube import resources as kinds


async def test_a_changed_child_is_put_right_and_counted(trader: Desk) -> None:
    await trader.quoting()
    live = trader.deployment("eth-quoter")
    assert live is not None
    trader.cluster.put({**live, "spec": {**live["spec"], "replicas": 0}})
    await trader.turn()
    repaired = trader.deployment("eth-quoter")
    assert repaired is not None
    assert repaired["spec"]["replicas"] == 1
    assert "DriftRepaired" in trader.cluster.reasons("eth")


async def test_a_deleted_child_is_made_again(trader: Desk) -> None:
    await trader.quoting()
    trader.cluster.remove(Ref(kinds.SERVICE, NAMESPACE, "main-gateway"))
    await trader.turn()
    assert Ref(kinds.SERVICE, NAMESPACE, "main-gateway") in trader.cluster.objects
    assert "DriftRepaired" in trader.cluster.reasons("main")


@pytest.mark.parametrize("child", ["main-risk", "main-order-state", "main-gateway", "eth-quoter"])
async def test_a_document_that_was_changed_by_hand_is_put_right_and_told(trader: Desk, child: str) -> None:
    await trader.quoting()
    ref = Ref(kinds.CONFIG_MAP, NAMESPACE, f"{child}-config")
    live = trader.cluster.objects[ref]
    text = live["data"][names.PART_FILE]
    trader.cluster.put({**live, "data": {names.PART_FILE: text.replace("ETH", "SOL")}})
    await trader.turn()
    assert '"ETH"' in trader.cluster.objects[ref]["data"][names.PART_FILE]
    owner = "eth" if child == "eth-quoter" else "main"
    repairs = [said.message for said in trader.cluster.events if said.reason == "DriftRepaired"]
    assert repairs == [f"ConfigMap {child}-config was put right: data.part.json"]
    assert "DriftRepaired" in trader.cluster.reasons(owner)


async def test_a_document_that_was_deleted_is_put_right_and_told(trader: Desk) -> None:
    await trader.quoting()
    ref = Ref(kinds.CONFIG_MAP, NAMESPACE, "main-risk-config")
    trader.cluster.remove(ref)
    await trader.turn()
    assert ref in trader.cluster.objects
    assert "DriftRepaired" in trader.cluster.reasons("main")


async def test_a_change_of_the_spec_is_no_drift_of_the_documents(trader: Desk) -> None:
    _, maker = await trader.quoting()
    trader.edit(maker, {"spec.inventory.maxNotional": "7000"})
    await trader.settle("generation 2", lambda: trader.status(maker)["quoter"]["appliedGeneration"] == 2)
    await trader.create_maker("sol", "SOL")
    await trader.rest()
    assert "DriftRepaired" not in {said.reason for said in trader.cluster.events}


async def test_a_kind_that_is_not_served_is_told_once_for_all_children_that_need_it(trader: Desk) -> None:
    await trader.quoting()
    ref = Ref(kinds.SERVICE, NAMESPACE, "any")
    trader.cluster.failures["apply", "Service"] = KubeError("apply", ref, 404, "NotFound", "no such kind")
    for role in ("gateway", "risk"):
        trader.cluster.remove(Ref(kinds.SERVICE, NAMESPACE, f"main-{role}"))
    account = Ref(kinds.TRADING_ACCOUNT, NAMESPACE, "main")
    await trader.settle("told", lambda: trader.condition(account, "Stalled") == ("True", "KindMissing"))
    assert trader.cluster.reasons("main").count("ReconcileError") == 1
    trader.cluster.failures.clear()
    await trader.settle("well", lambda: trader.condition(account, "Stalled")[0] == "False")


async def test_somebody_elses_object_is_never_taken_over(trader: Desk) -> None:
    foreign = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "eth-quoter", "namespace": NAMESPACE},
        "spec": {"replicas": 7, "template": {"metadata": {"annotations": {}}, "spec": {}}},
    }
    trader.cluster.put(foreign)
    await trader.create_account()
    maker = await trader.create_maker()
    await trader.settle("told", lambda: trader.condition(maker, "Stalled") == ("True", "NameConflict"))
    live = trader.deployment("eth-quoter")
    assert live is not None
    assert live["spec"]["replicas"] == 7
    assert "NameConflict" in trader.cluster.reasons("eth")


async def test_a_missing_right_is_a_condition_that_names_it_and_no_loop(trader: Desk) -> None:
    ref = Ref(kinds.NETWORK_POLICY, NAMESPACE, "main-gateway")
    trader.cluster.failures["apply", "NetworkPolicy"] = KubeError("patch", ref, 403, "Forbidden", "not allowed")
    account = await trader.create_account()
    await trader.settle("told", lambda: trader.condition(account, "Stalled") == ("True", "Forbidden"))
    assert "patch networkpolicies" in trader.find(account, "Stalled")["message"]
    told = [said.message for said in trader.cluster.events if said.reason == "ReconcileError"]
    assert len(told) == 1 and "patch networkpolicies" in told[0], "one Event for all the looks that found it missing"
    assert trader.deployment("main-gateway") is not None, "the rest is done"
    assert trader.errors == []


async def test_what_may_pass_is_raised_and_tried_again(trader: Desk) -> None:
    ref = Ref(kinds.DEPLOYMENT, NAMESPACE, "main-gateway")
    trader.cluster.failures["apply", "Deployment"] = KubeError("patch", ref, 429, "TooManyRequests", "later")
    account = await trader.create_account()
    await trader.rest(2)
    assert trader.errors
    trader.cluster.failures.clear()
    await trader.settle("ready", lambda: trader.condition(account, "Ready") == ("True", "Ready"))


async def test_a_store_that_is_not_wanted_any_more_goes(trader: Desk) -> None:
    account = await trader.create_account()
    store = Ref(kinds.STATEFUL_SET, NAMESPACE, "main-store")
    await trader.settle("it runs", lambda: store in trader.cluster.objects)
    trader.edit(account, {"spec.redis": {"mode": "External", "external": {"url": "redis://redis.example:6379/0"}}})
    await trader.settle(
        "it goes", lambda: Ref(kinds.STATEFUL_SET, NAMESPACE, "main-store") not in trader.cluster.objects
    )
