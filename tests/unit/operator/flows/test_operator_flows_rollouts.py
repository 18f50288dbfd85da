"""A new image: the account first, then one market after the other."""

from __future__ import annotations

from tests.support.operator_desk import Desk

from perpmaker.operator.reconcile.maker import BACK_WITHIN_S


async def test_a_new_image_replaces_one_quoter_after_the_other_the_riskless_first(trader: Desk) -> None:
    await trader.quoting()
    sol = await trader.create_maker("sol", "SOL", spec__mode="Shadow")
    btc = await trader.create_maker("btc", "BTC")
    await trader.settle(
        "all run",
        lambda: trader.condition(sol, "Ready") == ("True", "Shadowing") and trader.condition(btc, "Ready")[0] == "True",
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


async def test_another_image_takes_the_account_first_and_then_one_market_after_the_other(trader: Desk) -> None:
    _, eth = await trader.quoting()
    btc = await trader.create_maker("btc", "BTC")
    await trader.settle("both quote", lambda: trader.condition(btc, "Ready") == ("True", "Quoting"))
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
