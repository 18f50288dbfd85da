"""What a trader does with kubectl and what comes of it: the whole deciding half against a cluster in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.support.children import NAMESPACE
from tests.support.operator_desk import Desk, desk

from perpmaker.operator import names
from perpmaker.operator.interfaces import KubeError, Ref
from perpmaker.operator.kube import resources as kinds
from perpmaker.operator.reconcile.maker import BACK_WITHIN_S


@pytest.fixture
async def trader() -> AsyncIterator[Desk]:
    async with desk() as here:
        yield here


def ready(here: Desk, ref: Ref) -> tuple[str, str]:
    return here.condition(ref, "Ready")


async def test_a_new_maker_quotes_once_its_account_is_ready(trader: Desk) -> None:
    account, maker = await trader.quoting()
    assert ready(trader, account) == ("True", "Ready")
    calls = trader.exchange.calls
    assert calls.index("apply main-risk") < calls.index("apply main-order-state") < calls.index("apply main-gateway")
    assert calls.index("apply main-gateway") < calls.index("start eth-quoter")
    assert trader.status(maker)["quoter"]["appliedGeneration"] == 1
    assert trader.status(maker)["market"]["maxLeverage"] == 25


async def test_all_conditions_are_there_after_the_first_look(trader: Desk) -> None:
    account, maker = await trader.create_account(), await trader.create_maker()
    await trader.turn()
    assert {item["type"] for item in trader.status(maker)["conditions"]} == {
        "Ready", "Accepted", "AccountReady", "WorkloadAvailable", "ConfigApplied", "Quoting", "KillSwitchTripped",
        "Reconciling", "Stalled",
    }  # fmt: skip
    assert {item["type"] for item in trader.status(account)["conditions"]} == {
        "Ready", "Accepted", "CredentialsValid", "ExchangeConnected", "GatewayAvailable", "OrderStateAvailable",
        "RiskAvailable", "StoreAvailable", "DeadMansSwitchArmed", "KillSwitchTripped", "Reconciling", "Stalled",
    }  # fmt: skip


async def test_nothing_is_written_when_nothing_changes(trader: Desk) -> None:
    await trader.quoting()
    await trader.rest(25)
    trader.cluster.writes.clear()
    await trader.rest(20)
    assert trader.cluster.writes == []


async def test_a_quoter_waits_for_its_account(trader: Desk) -> None:
    maker = await trader.create_maker()
    await trader.turn()
    assert trader.condition(maker, "AccountReady") == ("False", "NotFound")
    assert trader.deployment("eth-quoter") is None
    await trader.create_account()
    await trader.settle("it quotes", lambda: ready(trader, maker) == ("True", "Quoting"))


async def test_a_hot_change_reaches_risk_before_the_quoter_and_restarts_nothing(trader: Desk) -> None:
    _, maker = await trader.quoting()
    trader.exchange.calls.clear()
    trader.edit(maker, {"spec.inventory.maxNotional": "7000", "spec.quoting.levels": 2})
    await trader.settle("it is applied", lambda: trader.condition(maker, "ConfigApplied") == ("True", "Applied"))
    await trader.settle("generation 2", lambda: trader.status(maker)["quoter"]["appliedGeneration"] == 2)
    calls = trader.exchange.calls
    assert calls.index("apply main-risk") < calls.index("apply eth-quoter 2")
    assert not trader.exchange.said("stop")
    assert trader.exchange.risk_markets["ETH"]["max_notional_e8"] == 7000 * 10**8


async def test_a_refused_configuration_is_told_in_the_services_words(trader: Desk) -> None:
    _, maker = await trader.quoting()
    trader.peers.services["eth-quoter"].refuses = "levels: too many for this tick"
    trader.edit(maker, {"spec.quoting.levels": 3})
    await trader.settle("rejected", lambda: trader.condition(maker, "ConfigApplied") == ("False", "Rejected"))
    assert "too many for this tick" in trader.find(maker, "ConfigApplied")["message"]
    assert "ConfigRejected" in trader.cluster.reasons("eth")
    trader.exchange.calls.clear()
    await trader.rest(5)
    assert len(trader.exchange.said("apply eth-quoter")) <= 1


async def test_a_symbol_that_does_not_exist_is_refused_without_harm_to_the_others(trader: Desk) -> None:
    _, eth = await trader.quoting()
    typo = await trader.create_maker("typo", "ETHH")
    await trader.settle("refused", lambda: trader.condition(typo, "Accepted") == ("False", "UnknownSymbol"))
    assert "does not exist" in trader.find(typo, "Accepted")["message"]
    assert trader.deployment("typo-quoter") is None
    sol = await trader.create_maker("sol", "SOL")
    await trader.settle("another market joins", lambda: ready(trader, sol) == ("True", "Quoting"))
    await trader.settle("the first goes on", lambda: ready(trader, eth) == ("True", "Quoting"))
    await trader.stop_operator()
    trader.start_operator()
    trader.exchange.calls.clear()
    await trader.rest()
    assert not trader.exchange.said("refuse"), "a fresh operator does not offer the symbol again"


async def test_a_new_maker_with_too_much_leverage_waits_and_starts_when_it_is_lowered(trader: Desk) -> None:
    _, eth = await trader.quoting()
    sol = await trader.create_maker("sol", "SOL", **{"spec.leverage": {"value": 50}})
    await trader.settle("refused", lambda: trader.condition(sol, "Accepted") == ("False", "LeverageTooHigh"))
    assert "above 25" in trader.find(sol, "Accepted")["message"], "the market is known although it is not quoted"
    trader.exchange.calls.clear()
    await trader.rest()
    assert not trader.exchange.said("refuse"), "what was refused is not offered again"
    assert ready(trader, eth) == ("True", "Quoting")
    trader.edit(sol, {"spec.leverage": {"value": 5}})
    await trader.settle("quoting", lambda: ready(trader, sol) == ("True", "Quoting"))


async def test_of_two_makers_on_one_market_the_older_has_it(trader: Desk) -> None:
    _, first = await trader.quoting()
    second = await trader.create_maker("eth-too", "ETH")
    await trader.settle("refused", lambda: trader.condition(second, "Accepted") == ("False", "DuplicateMarket"))
    assert trader.deployment("eth-too-quoter") is None
    trader.exchange.calls.clear()
    trader.delete(second)
    await trader.settle("the second goes", lambda: trader.is_gone(second))
    assert not trader.exchange.said("close"), "the market of the first is not touched"
    assert ready(trader, first) == ("True", "Quoting")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"spec.leverage": {"value": 26}}, "LeverageTooHigh"),
        ({"spec.rollout": {"strategy": "Handover"}}, "NotSupported"),
        ({"spec.pod": {"securityContext": {"runAsUser": 0}}}, "InvalidPodOverride"),
        ({"spec.quoting.levels": "many"}, "Invalid"),
    ],
)
async def test_an_invalid_update_is_told_and_the_last_accepted_spec_goes_on(
    trader: Desk, changes: dict[str, Any], reason: str
) -> None:
    _, maker = await trader.quoting()
    trader.exchange.calls.clear()
    trader.edit(maker, changes)
    await trader.settle("told", lambda: trader.condition(maker, "Accepted") == ("False", reason))
    await trader.rest()
    assert ready(trader, maker) == ("False", "Invalid")
    assert trader.peers.services["eth-quoter"].is_quoting
    assert not trader.exchange.said("stop")
    assert "Invalid" in trader.cluster.reasons("eth")
    await trader.stop_operator()
    trader.start_operator()
    await trader.rest()
    assert trader.peers.services["eth-quoter"].is_quoting, "not by memory alone"
    assert "ETH" in trader.exchange.risk_markets


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"spec__leverage": {"value": 26}}, "LeverageTooHigh"),
        ({"spec__quoting__orderNotional": "10", "symbol": "BTC"}, "BelowTickOrLot"),
        ({"spec__market__kind": "Spot"}, "NotSupported"),
    ],
)
async def test_what_never_was_accepted_never_starts(trader: Desk, changes: dict[str, Any], reason: str) -> None:
    await trader.create_account()
    symbol = changes.pop("symbol", "ETH")
    if symbol == "BTC":
        trader.exchange.listed["BTC"] = 150_000
    maker = await trader.create_maker("mm", symbol, **changes)
    await trader.settle("told", lambda: trader.condition(maker, "Accepted") == ("False", reason))
    await trader.rest()
    assert not trader.exchange.said("start mm-quoter")
    assert trader.condition(maker, "Accepted") == ("False", reason), "and it stays so"


async def test_a_price_that_moves_does_not_undo_acceptance(trader: Desk) -> None:
    trader.exchange.listed["BTC"] = 100_000
    _, maker = await trader.quoting("btc", "BTC", spec__quoting__orderNotional="11")
    trader.exchange.listed["BTC"] = 150_000
    await trader.rest()
    assert trader.condition(maker, "Accepted") == ("True", "Valid")


async def test_pausing_empties_the_book_and_resuming_quotes_again(trader: Desk) -> None:
    _, maker = await trader.quoting()
    trader.edit(maker, {"spec.mode": "Paused"})
    await trader.settle("paused", lambda: ready(trader, maker) == ("False", "Paused"))
    assert trader.exchange.live_orders("ETH") == 0
    assert "ETH" in trader.exchange.closed
    assert not trader.exchange.said("stop"), "the pod stays"
    closes = len(trader.exchange.said("close"))
    await trader.rest()
    assert len(trader.exchange.said("close")) <= closes + 1
    trader.edit(maker, {"spec.mode": "Active"})
    await trader.settle("resumed", lambda: ready(trader, maker) == ("True", "Quoting"))
    assert {"Paused", "Resumed"} <= set(trader.cluster.reasons("eth"))


async def test_a_trip_is_shown_once_and_acknowledged_by_its_id_only(trader: Desk) -> None:
    _, maker = await trader.quoting()
    trader.peers.services["main-risk"].trip("ETH", "daily_loss")
    await trader.settle("shown", lambda: ready(trader, maker) == ("False", "KillSwitchTripped"))
    assert trader.condition(maker, "KillSwitchTripped") == ("True", "DailyLoss")
    trip_id = trader.status(maker)["killSwitch"]["tripID"]
    trader.edit(maker, {"spec.killSwitch": {"acknowledgedTrip": "t-999"}})
    await trader.rest()
    assert not trader.exchange.said("rearm"), "a stale id does nothing"
    trader.edit(maker, {"spec.killSwitch": {"acknowledgedTrip": trip_id}})
    await trader.settle("quotes again", lambda: ready(trader, maker) == ("True", "Quoting"))
    assert trader.status(maker)["killSwitch"] == {"state": "Armed", "lastRearmedTrip": trip_id}
    assert trader.cluster.reasons("eth").count("KillSwitchTripped") == 1
    assert "Rearmed" in trader.cluster.reasons("eth")
    trader.peers.services["main-risk"].trip("ETH", "drawdown")
    await trader.settle("tripped again", lambda: ready(trader, maker) == ("False", "KillSwitchTripped"))
    await trader.rest()
    assert ready(trader, maker) == ("False", "KillSwitchTripped"), "an old acknowledgement does not release a new trip"


@pytest.mark.parametrize("scope", ["maker", "account"])
async def test_a_trip_is_released_when_risk_works_by_the_limits_changed_with_it(trader: Desk, scope: str) -> None:
    account, maker = await trader.quoting()
    target, market = (maker, "ETH") if scope == "maker" else (account, "")
    trip_id = trader.peers.services["main-risk"].trip(market, "daily_loss")
    await trader.settle("shown", lambda: ready(trader, maker)[0] == "False")
    trader.exchange.calls.clear()
    trader.edit(target, {"spec.risk.maxDailyLoss": "900", "spec.killSwitch": {"acknowledgedTrip": trip_id}})
    await trader.settle("quotes again", lambda: ready(trader, maker) == ("True", "Quoting"))
    calls = trader.exchange.calls
    assert calls.index("apply main-risk") < calls.index(f"rearm {trip_id}")


async def test_a_trip_stays_while_risk_refuses_the_limits_changed_with_it(trader: Desk) -> None:
    _, maker = await trader.quoting()
    risk = trader.peers.services["main-risk"]
    trip_id = risk.trip("ETH", "daily_loss")
    await trader.settle("shown", lambda: ready(trader, maker)[0] == "False")
    risk.refuses = "not by these limits"
    trader.edit(maker, {"spec.risk.maxDailyLoss": "900", "spec.killSwitch": {"acknowledgedTrip": trip_id}})
    await trader.settle("waits", lambda: trader.condition(maker, "Reconciling")[0] == "True")
    await trader.rest()
    assert not trader.exchange.said("rearm")
    risk.refuses = ""
    await trader.settle("quotes again", lambda: ready(trader, maker) == ("True", "Quoting"))


async def test_a_refused_rearm_is_told(trader: Desk) -> None:
    _, maker = await trader.quoting()
    risk = trader.peers.services["main-risk"]
    trip_id = risk.trip("ETH", "drawdown")
    risk.refuses = "the loss is still above the limit"
    trader.edit(maker, {"spec.killSwitch": {"acknowledgedTrip": trip_id}})
    await trader.settle("told", lambda: "RearmRefused" in trader.cluster.reasons("eth"))


@pytest.mark.parametrize("scope", ["maker", "account"])
async def test_an_engaged_switch_trips_once_and_stays(trader: Desk, scope: str) -> None:
    account, maker = await trader.quoting()
    target = maker if scope == "maker" else account
    trader.edit(target, {"spec.killSwitch": {"engaged": True}})
    await trader.settle("tripped", lambda: ready(trader, maker) == ("False", "KillSwitchTripped"))
    await trader.rest()
    assert len(trader.exchange.said("trip ")) == 1
    expected = "ManualEngaged" if scope == "maker" else "AccountTripped"
    assert trader.condition(maker, "KillSwitchTripped") == ("True", expected)
    assert trader.exchange.live_orders("ETH") == 0
    trip_id = trader.status(target)["killSwitch"]["tripID"]
    trader.edit(target, {"spec.killSwitch": {"engaged": True, "acknowledgedTrip": trip_id}})
    await trader.rest()
    assert not trader.exchange.said("rearm"), "engaged wins over an acknowledgement"


async def test_the_switch_works_although_the_rest_of_the_spec_is_invalid(trader: Desk) -> None:
    _, maker = await trader.quoting()
    trader.edit(maker, {"spec.quoting.levels": "many", "spec.killSwitch": {"engaged": True}})
    await trader.settle("tripped", lambda: trader.exchange.live_orders("ETH") == 0)


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
    await trader.settle("ready", lambda: ready(trader, account) == ("True", "Ready"))


async def test_a_frozen_object_is_left_alone_while_trading_goes_on(trader: Desk) -> None:
    _, maker = await trader.quoting()
    trader.edit(maker, {"metadata.annotations": {"perpmaker.io/reconcile": "disabled"}})
    trader.edit(maker, {"spec.mode": "Paused"})
    await trader.settle("shown", lambda: trader.condition(maker, "Reconciling") == ("False", "ReconciliationPaused"))
    await trader.rest()
    assert trader.peers.services["eth-quoter"].is_quoting
    trader.edit(maker, {"metadata.annotations": {}})
    await trader.settle("paused", lambda: ready(trader, maker) == ("False", "Paused"))


async def test_a_new_image_replaces_one_quoter_after_the_other_the_riskless_first(trader: Desk) -> None:
    await trader.quoting()
    sol = await trader.create_maker("sol", "SOL", spec__mode="Shadow")
    btc = await trader.create_maker("btc", "BTC")
    await trader.settle(
        "all run", lambda: ready(trader, sol) == ("True", "Shadowing") and ready(trader, btc)[0] == "True"
    )
    await trader.stop_operator()
    trader.settings = trader.settings.model_copy(
        update={"image": trader.settings.image.model_copy(update={"reference": "perpmaker:0.2.0"})}
    )
    trader.exchange.calls.clear()
    trader.start_operator()

    def all_new() -> bool:
        images = [
            deployment["spec"]["template"]["spec"]["containers"][0]["image"]
            for name in ("eth-quoter", "sol-quoter", "btc-quoter")
            if (deployment := trader.deployment(name)) is not None
        ]
        return images == ["perpmaker:0.2.0"] * 3

    await trader.settle("all replaced", all_new, within_s=40)
    order = [call.split()[1] for call in trader.exchange.said("start")]
    assert order[0] == "sol-quoter"
    stops_and_starts = [call.split()[:2] for call in trader.exchange.calls if call.startswith(("stop", "start"))]
    down: set[str] = set()
    for verb, name in stops_and_starts:
        down = down | {name} if verb == "stop" else down - {name}
        assert len(down) <= 1, "never two markets at once"


async def test_a_new_key_is_told(trader: Desk) -> None:
    account, _ = await trader.quoting()
    trader.peers.services["main-gateway"].signer = "0x" + "99" * 20
    await trader.settle("told", lambda: "CredentialsRotated" in trader.cluster.reasons("main"))
    assert trader.status(account)["apiWalletAddress"] == "0x" + "99" * 20
    trader.peers.services["main-gateway"].key_refusal = "belongs to another account than expected"
    await trader.settle(
        "a bad key is told", lambda: trader.condition(account, "CredentialsValid") == ("False", "AddressMismatch")
    )


async def test_a_store_that_is_not_wanted_any_more_goes(trader: Desk) -> None:
    account = await trader.create_account()
    store = Ref(kinds.STATEFUL_SET, NAMESPACE, "main-store")
    await trader.settle("it runs", lambda: store in trader.cluster.objects)
    trader.edit(account, {"spec.redis": {"mode": "External", "external": {"url": "redis://redis.example:6379/0"}}})
    await trader.settle(
        "it goes", lambda: Ref(kinds.STATEFUL_SET, NAMESPACE, "main-store") not in trader.cluster.objects
    )


async def test_a_quoter_is_not_stopped_by_an_account_in_trouble(trader: Desk) -> None:
    account, maker = await trader.quoting()
    trader.peers.services["main-gateway"].ready = False
    await trader.settle("told", lambda: ready(trader, maker) == ("False", "AccountNotReady"))
    assert ready(trader, account)[0] == "False"
    deployment = trader.deployment("eth-quoter")
    assert deployment is not None
    assert deployment["spec"]["replicas"] == 1


async def test_mainnet_without_tls_is_refused(trader: Desk) -> None:
    account = await trader.create_account(
        spec__network="Mainnet",
        spec__address="0x" + "ab" * 20,
        spec__apiWallet={"secretRef": {"name": "key"}},
    )
    await trader.turn()
    assert trader.condition(account, "Accepted") == ("False", "InsecureTransport")
    assert trader.deployment("main-gateway") is None


async def test_another_image_takes_the_account_first_and_then_one_market_after_the_other(trader: Desk) -> None:
    _, eth = await trader.quoting()
    btc = await trader.create_maker("btc", "BTC")
    await trader.settle("both quote", lambda: ready(trader, btc) == ("True", "Quoting"))
    await trader.stop_operator()
    image = trader.settings.image.model_copy(update={"reference": "perpmaker:next"})
    trader.settings = trader.settings.model_copy(update={"image": image})
    trader.cluster.events.clear()
    trader.start_operator()

    def told() -> list[tuple[str, str]]:
        return [(said.about, said.reason) for said in trader.cluster.events if said.reason.startswith("Rollout")]

    await trader.settle("all were replaced", lambda: len(told()) == 6, within_s=30)
    order = [about for about, _ in told()]
    assert order[0] == "main"
    assert sorted(order[2::2]) == [btc.name, eth.name]
    assert told() == [(about, reason) for about in order[::2] for reason in ("RolloutStarted", "RolloutFinished")]


async def test_the_next_market_waits_until_a_replaced_quoter_quotes_but_not_for_ever(trader: Desk) -> None:
    _, eth = await trader.quoting()
    trader.exchange.quoters["eth-quoter"].drained_at_start = True
    trader.cluster.events.clear()
    trader.edit(eth, {"spec.pod": {"labels": {"team": "b"}}})
    await trader.settle("it is replaced", lambda: "RolloutStarted" in trader.cluster.reasons("eth"))
    await trader.rest(4)
    assert "RolloutFinished" not in trader.cluster.reasons("eth")
    assert "does not quote yet" in trader.find(eth, "Reconciling")["message"]
    trader.clock.advance_s(BACK_WITHIN_S)
    await trader.settle("others get their turn", lambda: "RolloutFinished" in trader.cluster.reasons("eth"))
