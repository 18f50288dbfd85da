"""Trips: shown once, released by their id alone, and engaged whatever else is wrong."""

from __future__ import annotations

import pytest
from tests.support.operator_desk import Desk

from perpmaker.operator.interfaces import Ref


async def test_a_trip_is_shown_once_and_acknowledged_by_its_id_only(trader: Desk) -> None:
    _, maker = await trader.quoting()
    trader.peers.services["main-risk"].trip("ETH", "daily_loss")
    await trader.settle("shown", lambda: trader.condition(maker, "Ready") == ("False", "KillSwitchTripped"))
    assert trader.condition(maker, "KillSwitchTripped") == ("True", "DailyLoss")
    trip_id = trader.status(maker)["killSwitch"]["tripID"]
    trader.edit(maker, {"spec.killSwitch": {"acknowledgedTrip": "t-999"}})
    await trader.rest()
    assert not trader.exchange.said("rearm"), "a stale id does nothing"
    trader.edit(maker, {"spec.killSwitch": {"acknowledgedTrip": trip_id}})
    await trader.settle("quotes again", lambda: trader.condition(maker, "Ready") == ("True", "Quoting"))
    assert trader.status(maker)["killSwitch"] == {"state": "Armed", "lastRearmedTrip": trip_id}
    assert trader.cluster.reasons("eth").count("KillSwitchTripped") == 1
    assert "Rearmed" in trader.cluster.reasons("eth")
    trader.peers.services["main-risk"].trip("ETH", "drawdown")
    await trader.settle("tripped again", lambda: trader.condition(maker, "Ready") == ("False", "KillSwitchTripped"))
    await trader.rest()
    assert trader.condition(maker, "Ready") == ("False", "KillSwitchTripped"), (
        "an old acknowledgement does not release a new trip"
    )


async def test_a_trip_is_released_when_risk_works_by_the_limits_changed_with_it(trader: Desk) -> None:
    _, maker = await trader.quoting()
    trip_id = await _tripped(trader, maker, "ETH")
    trader.edit(maker, {"spec.risk.maxDailyLoss": "900", "spec.killSwitch": {"acknowledgedTrip": trip_id}})
    await trader.look(maker)
    assert not trader.exchange.said("rearm"), "the account has not told risk yet"
    assert trader.condition(maker, "Reconciling")[0] == "True"
    await trader.settle("quotes again", lambda: trader.condition(maker, "Ready") == ("True", "Quoting"))
    assert trader.exchange.said("rearm") == [f"rearm {trip_id}"]


@pytest.mark.parametrize("scope", ["maker", "account"])
async def test_a_trip_stays_while_risk_refuses_the_limits_changed_with_it(trader: Desk, scope: str) -> None:
    account, maker = await trader.quoting()
    target, market = (maker, "ETH") if scope == "maker" else (account, "")
    trip_id = await _tripped(trader, maker, market)
    risk = trader.peers.services["main-risk"]
    risk.refuses = "not by these limits"
    trader.edit(target, {"spec.risk.maxDailyLoss": "900", "spec.killSwitch": {"acknowledgedTrip": trip_id}})
    await trader.settle("waits", lambda: trader.condition(target, "Reconciling")[0] == "True")
    await trader.rest()
    assert not trader.exchange.said("rearm")
    risk.refuses = ""
    await trader.settle("quotes again", lambda: trader.condition(maker, "Ready") == ("True", "Quoting"))


async def _tripped(trader: Desk, maker: Ref, market: str) -> str:
    """A trip that the maker shows; an empty market trips the account."""
    trip_id: str = trader.peers.services["main-risk"].trip(market, "daily_loss")
    await trader.settle("shown", lambda: trader.condition(maker, "Ready")[0] == "False")
    return trip_id


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
    await trader.settle("tripped", lambda: trader.condition(maker, "Ready") == ("False", "KillSwitchTripped"))
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
