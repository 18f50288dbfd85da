"""What people get wrong: each is one condition with a remedy and one Event, and the market beside it is quoted on."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest
from tests.e2e import audit
from tests.e2e.api import Json, condition_of
from tests.e2e.house import ACCOUNT, SOON_S, START_S, House, account, maker
from tests.e2e.watching import UNDISTURBED_S, holds, watched

from perpmaker.operator.kube.resources import MARKET_MAKER

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

OPERATOR: Final = "perpmaker-operator"
STEADY_S: Final = 4.0
"""How long what was told is watched: nothing may be told again or change back and forth."""
LOOP_PER_S: Final = 5.0
"""Requests of the operator a second from which it counts as looping."""


@asynccontextmanager
async def undisturbed(house: House) -> AsyncIterator[None]:
    """The good maker quotes on both sides throughout."""
    await house.quoting("eth")
    restarts = await _restarts(house)
    async with watched(house) as seen:
        yield
    assert seen.longest_gap_s("eth") < UNDISTURBED_S
    assert await _restarts(house) == restarts, "no service of the account was started again"


async def _restarts(house: House) -> dict[str, tuple[str, int]]:
    pods = [await house.pod(f"{ACCOUNT}-{role}") for role in ("gateway", "order-state", "risk")]
    return {
        pod["metadata"]["name"]: (pod["metadata"]["uid"], pod["status"]["containerStatuses"][0]["restartCount"])
        for pod in pods
    }


async def told_once(house: House, kind: str, name: str, type_: str, status: str, reason: str, event: str) -> str:
    """Wait for a condition and its Event, see that both stay as they are and nothing loops; the condition's message."""
    found = await house.condition(kind, name, type_, status, reason, within_s=START_S)

    uid = (await house.api.read(kind, name, house.namespace))["metadata"]["uid"]

    def is_about_it(item: Json) -> bool:
        said = item["message"].removeprefix(f"{reason}: ")
        return item["involvedObject"].get("uid") == uid and (said in found["message"] or found["message"] in said)

    async def posted() -> list[Json]:
        return [item for item in await house.events(event, name) if is_about_it(item)]

    await house.until(f"Event {event} about {name}", posted, within_s=SOON_S)
    began = time.time()

    async def stays() -> bool:
        now = condition_of(await house.api.read(kind, name, house.namespace), type_)
        return (now["status"], now["reason"]) == (status, reason) and len(await posted()) == 1

    await holds(f"{name}: {type_} {reason} and one Event", stays, STEADY_S)
    user = f"system:serviceaccount:{house.namespace}:{OPERATOR}"
    asked = audit.requests(house.cluster, user, since_s=began)
    assert len(asked) < LOOP_PER_S * (time.time() - began), audit.by_verb(asked)
    return str(found["message"])


async def gone(house: House, *names: str) -> None:
    """Delete makers and wait until they are gone."""
    for name in names:
        await house.delete(MARKET_MAKER.kind, name)
    for name in names:
        await house.api.until_gone(MARKET_MAKER.kind, name, house.namespace, within_s=START_S)


async def test_an_unknown_market_among_the_first_objects_keeps_nobody_else_from_starting(house: House) -> None:
    await house.apply(account(), maker("btc", market={"symbol": "NOSUCH"}), maker("eth"))
    await house.two_sided("eth", within_s=START_S)
    said = await told_once(house, "MarketMaker", "btc", "Accepted", "False", "UnknownSymbol", "Invalid")
    assert "NOSUCH" in said and "delete the MarketMaker" in said
    config = await house.api.read("ConfigMap", f"{ACCOUNT}-gateway-config", house.namespace)
    assert "NOSUCH" not in config["data"]["part.json"]
    await gone(house, "btc")


async def test_an_account_that_does_not_exist_is_named(house: House) -> None:
    async with undisturbed(house):
        await house.apply(maker("btc", "nobody"))
        said = await told_once(house, "MarketMaker", "btc", "AccountReady", "False", "NotFound", "AccountNotReady")
        assert "nobody" in said and "create it" in said
        await gone(house, "btc")


async def test_an_unknown_market_is_refused_and_the_account_goes_on(house: House) -> None:
    async with undisturbed(house):
        await house.apply(maker("btc", market={"symbol": "BTCC"}))
        said = await told_once(house, "MarketMaker", "btc", "Accepted", "False", "UnknownSymbol", "Invalid")
        assert "BTC" in said
        await gone(house, "btc")


async def test_too_much_leverage_is_refused_until_it_is_lowered(house: House) -> None:
    async with undisturbed(house):
        await house.apply(maker("sol", leverage={"value": 50}))
        said = await told_once(house, "MarketMaker", "sol", "Accepted", "False", "LeverageTooHigh", "Invalid")
        assert "50" in said
        await house.patch("MarketMaker", "sol", leverage={"value": 3})
        await house.two_sided("sol", within_s=START_S)
        await gone(house, "sol")


async def test_of_two_makers_on_one_market_the_oldest_has_it_and_the_other_takes_over(house: House) -> None:
    async with undisturbed(house):
        await house.quoting("sol")
        await house.apply(maker("hype", market={"symbol": "SOL"}))
        said = await told_once(house, "MarketMaker", "hype", "Accepted", "False", "DuplicateMarket", "Invalid")
        assert "sol has SOL" in said
        await gone(house, "sol")
        address = await house.address()

        async def taken_over() -> bool:
            return (await house.venue.resting(address, "SOL")).is_two_sided

        await house.until("the other one quotes the market", taken_over, within_s=START_S)
        await house.ready("hype")
        await gone(house, "hype")


async def test_somebody_else_s_deployment_is_left_alone_and_told_of(house: House) -> None:
    async with undisturbed(house):
        await house.apply(_foreign("btc-quoter"), maker("btc"))
        said = await told_once(house, "MarketMaker", "btc", "Stalled", "True", "NameConflict", "NameConflict")
        assert "btc-quoter" in said
        live = await house.api.read("Deployment", "btc-quoter", house.namespace)
        assert live["spec"]["template"]["spec"]["containers"][0]["name"] == "theirs"
        await house.api.delete("Deployment", "btc-quoter", house.namespace)
        await house.two_sided("btc", within_s=START_S)
        await gone(house, "btc")


async def test_a_pod_that_no_node_takes_is_told_and_started_when_one_does(house: House) -> None:
    async with undisturbed(house):
        await house.apply(maker("btc", pod={"nodeSelector": {"perpmaker.io/none": "such"}}))
        said = await told_once(
            house, "MarketMaker", "btc", "WorkloadAvailable", "False", "Unschedulable", "WorkloadFailing"
        )
        assert "no node takes pod btc-quoter" in said
        await house.patch("MarketMaker", "btc", pod=None)
        await house.two_sided("btc", within_s=START_S)
        await gone(house, "btc")


async def test_a_pod_override_that_is_not_allowed_is_refused(house: House) -> None:
    async with undisturbed(house):
        await house.apply(maker("btc", pod={"securityContext": {"runAsUser": 0}}))
        said = await told_once(house, "MarketMaker", "btc", "Accepted", "False", "InvalidPodOverride", "Invalid")
        assert "securityContext" in said
        await gone(house, "btc")


async def test_a_service_that_crashes_again_and_again_is_told_with_its_last_words(house: House) -> None:
    async with undisturbed(house):
        secret = await house.api.read("Secret", "btc-quoter-tls", house.namespace)
        await house.api.merge("Secret", "btc-quoter-tls", {"data": {"tls.crt": "bm90aGluZw=="}}, house.namespace)
        await house.apply(maker("btc"))

        async def was_restarted() -> bool:
            pods = await house.api.objects("Pod", house.namespace, label="perpmaker.io/marketmaker=btc")
            statuses = [status for pod in pods for status in pod["status"].get("containerStatuses") or ()]
            return any(status["restartCount"] >= 2 for status in statuses)

        await house.until("the quoter was started three times", was_restarted, within_s=START_S)
        said = await told_once(
            house, "MarketMaker", "btc", "WorkloadAvailable", "False", "CrashLooping", "WorkloadFailing"
        )
        assert "tls.crt" in said
        await house.api.merge("Secret", "btc-quoter-tls", {"data": secret["data"]}, house.namespace)
        # The kubelet would wait longer and longer before it tried again.
        pod = await house.pod("btc-quoter")
        await house.api.delete("Pod", pod["metadata"]["name"], house.namespace)
        await house.two_sided("btc", within_s=START_S)
        await gone(house, "btc")


async def test_an_account_without_its_key_names_the_secret(house: House) -> None:
    async with undisturbed(house):
        await house.apply(_real_account())
        said = await told_once(
            house,
            *("TradingAccount", "real", "GatewayAvailable", "False", "CreateContainerConfigError", "WorkloadFailing"),
        )
        assert "no-such-key" in said
        await house.delete("TradingAccount", "real")
        await house.api.until_gone("TradingAccount", "real", house.namespace, within_s=START_S)


async def test_a_market_that_is_delisted_later_takes_no_other_down(house: House) -> None:
    await house.quoting("eth", "hype")
    await house.venue.control("delist", coin="HYPE")
    before = await house.pod(f"{ACCOUNT}-gateway")
    await house.api.delete("Pod", before["metadata"]["name"], house.namespace)

    async def started() -> bool:
        pods = await house.api.objects("Pod", house.namespace)
        found = [pod for pod in pods if pod["metadata"]["name"].startswith(f"{ACCOUNT}-gateway-")]
        return len(found) == 1 and found[0]["metadata"]["uid"] != before["metadata"]["uid"]

    await house.until("a new gateway pod", started, within_s=START_S)
    await house.ready(ACCOUNT, "TradingAccount")
    await house.two_sided("eth", within_s=START_S)
    await house.ready("eth")
    await house.condition("MarketMaker", "hype", "Ready", "False", within_s=START_S)
    await gone(house, "hype")


def _real_account() -> Json:
    return account(
        "real",
        network="Testnet",
        address="0x" + "11" * 20,
        apiWallet={"secretRef": {"name": "no-such-key"}},
    )


def _foreign(name: str) -> Json:
    labels = {"app": "theirs"}
    restricted: dict[str, Any] = {
        "allowPrivilegeEscalation": False,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    container = {"name": "theirs", "image": "example/theirs:1", "securityContext": restricted}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }
