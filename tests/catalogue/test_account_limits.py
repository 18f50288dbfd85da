"""The budget of an account, its open orders, and its share of a busy time: what just passes, and what does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest
from tests.catalogue.account_limits import AccountLimit, Passes, passes, shown_limits
from tests.catalogue.action_scripts import OPEN
from tests.catalogue.sections import documented, measured, own
from tests.support.venue_core import ALICE, BOB, Bench, bench, limit, trigger

from perpmaker.venue.engine.account_actions import CreateSubAccount, ReserveRequestWeight
from perpmaker.venue.engine.actions import CancelOrders, Modification, ModifyOrders, Noop, PlaceOrders
from perpmaker.venue.engine.limits.address import cap_of
from perpmaker.venue.engine.limits.rules import AddressRules, LimitRules, OpenOrderRules
from perpmaker.venue.engine.orders import Tif
from perpmaker.venue.units import E8, canonical_e8, parse_e8

DAY_MS = 86_400_000
NOTHING = CancelOrders(((0, 1),))


def spent(venue: Bench, requests: int, volume: int = 0) -> None:
    """Alice has used so many requests, and just now passed beyond her budget."""
    account = venue.state.deposit(ALICE, 10**13)
    account.volume_e8, account.requests, account.requests_over_ms = volume * E8, requests, venue.now_ms


def twice(action: Any, requests_before: int, volume: int = 0) -> Callable[[Bench, int], Passes]:
    """The same action when all but one request of a budget is used, and when all are."""

    def script(venue: Bench, number: int) -> Passes:
        spent(venue, requests_before + number - 1, volume)
        return passes(venue.run(ALICE, action)), passes(venue.run(ALICE, action))

    return script


def waits(venue: Bench, number: int) -> Passes:
    """Beyond the budget: after so long, and a moment earlier."""
    spent(venue, 10**6)
    began = venue.now_ms
    venue.step(number - 70 - 1)
    early = passes(venue.run(ALICE, Noop()))
    venue.now_ms = began + number - 70
    return passes(venue.run(ALICE, Noop())), early


def costs(action: Any, **signed: Any) -> Callable[[Bench, int], Passes]:
    """What the action takes of the budget is the number, and no more."""

    def script(venue: Bench, number: int) -> Passes:
        venue.state.deposit(ALICE, 10**13)
        venue.run(ALICE, action, **signed)
        used = venue.state.accounts[ALICE].requests
        return used >= number, used > number

    return script


def pays(venue: Bench, number: int) -> Passes:
    """A balance of the price of one request buys one, and not two."""
    venue.state.deposit(ALICE, number)
    answers = [venue.run(ALICE, ReserveRequestWeight(weight, None)) for weight in (2, 1)]
    return passes(answers[1]), passes(answers[0])


def acts_while_unified(venue: Bench, number: int) -> Passes:
    account = venue.state.deposit(ALICE, 10**13)
    account.abstraction = "unifiedAccount"
    account.actions_day, account.actions_today = venue.now_ms // DAY_MS, number - 1
    return passes(venue.run(ALICE, Noop())), passes(venue.run(ALICE, Noop()))


def acts_in_congestion(venue: Bench, number: int) -> Passes:
    """Alice made a hundredth of yesterday's volume: twice as much of the minute is hers."""
    day = venue.now_ms // DAY_MS
    for address, made in ((ALICE, 1), (BOB, 99)):
        venue.state.deposit(address, 10**13).volume_by_day[day - 1] = (0, made * E8)
    account = venue.state.accounts[ALICE]
    account.actions_minute, account.actions_this_minute = venue.now_ms // 60_000, 2 * number // 100 - 1
    venue.state.gates.congested = True
    return passes(venue.run(ALICE, Noop())), passes(venue.run(ALICE, Noop()))


def opens(*, volume: int = 0, last: Any = None) -> Callable[[Bench, int], Passes]:
    """All but one of so many orders rest; then comes the last, and one more."""

    def script(venue: Bench, number: int) -> Passes:
        venue.state.deposit(ALICE, 10**16).volume_e8 = volume * E8
        resting = limit("100", "0.1", tif=Tif.ALO)
        for first in range(0, number - 1, 200):
            venue.place(ALICE, *[resting] * min(200, number - 1 - first))
        assert len(venue.opened(ALICE)) == number - 1
        answers = [venue.place(ALICE, last or resting) for _ in range(2)]
        return "error" not in answers[0], "error" not in answers[1]

    return script


_BUDGET = documented("Rate limits and user limits", "Address-based limits")
_OPEN = documented("Rate limits and user limits", "Open order limits")
_BUSY = documented("Rate limits and user limits", "High congestion")
TAKING_BACK = trigger("170", reduce_only=True, sz="0.1")

ROWS = (
    AccountLimit(_BUDGET, "base_requests", 10_000, twice(Noop(), 0), "a new account"),
    AccountLimit(_BUDGET, "base_requests", 1_010_000, twice(Noop(), 0, 1_000_000), "a million traded"),
    AccountLimit(_BUDGET, "extra_cancels", 20_000, twice(NOTHING, 0), "cancels of a new account"),
    AccountLimit(_BUDGET, "extra_cancels", 1_110_000, twice(NOTHING, 0, 1_000_000), "cancels after a million"),
    AccountLimit(_BUDGET, "spacing_ms", 10_000, waits, "one action in ten seconds"),
    AccountLimit(
        measured("testnet, passages of a limited account"),
        "spacing_ms",
        11_000,
        waits,
        "one action in eleven seconds",
        {"limits": LimitRules(address=AddressRules(spacing_ms=11_000))},
    ),
    AccountLimit(_BUDGET, "expired_cost", 5, costs(Noop(), expires_after_ms=1), "an expired action"),
    AccountLimit(
        _BUDGET, "expired_cost", 10, costs(PlaceOrders((limit("100"),) * 2), expires_after_ms=1), "an expired batch"
    ),
    AccountLimit(_BUDGET, "request_price_e8", 50_000, pays, "a request for 0.0005 USDC"),
    AccountLimit(_BUDGET, "base_requests", 1, costs(Noop()), "an action costs one"),
    AccountLimit(_BUDGET, "base_requests", 3, costs(PlaceOrders((limit("100"),) * 3)), "each order costs one"),
    AccountLimit(
        _BUDGET, "base_requests", 2, costs(ModifyOrders((Modification(1, limit("100")),) * 2)), "each modify costs one"
    ),
    AccountLimit(
        measured("testnet, cancels that find nothing"),
        "base_requests",
        2,
        costs(CancelOrders(((0, 1), (0, 2)))),
        "each cancel costs one, also in vain",
    ),
    AccountLimit(_BUSY, "unified_daily_actions", 50_000, acts_while_unified, "a unified account's day"),
    AccountLimit(
        own("what all may do in a congested minute; twice the share of making is of High congestion"),
        "congested_actions_per_minute",
        6_000,
        acts_in_congestion,
        "twice a share of making",
    ),
    AccountLimit(_OPEN, "base", 1_000, opens(), "a new account's orders"),
    AccountLimit(_OPEN, "volume_per_extra_e8", 1_001, opens(volume=5_000_000), "five millions traded"),
    AccountLimit(_OPEN, "volume_per_extra_e8", 1_000, opens(volume=4_999_999), "almost five millions traded"),
    AccountLimit(_OPEN, "most", 5_000, opens(volume=10**12), "a huge account's orders"),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.case)
def test_the_last_passes_and_the_next_does_not(row: AccountLimit) -> None:
    row.check()


DEFAULTS = (
    (_BUDGET, AddressRules(), {"base_requests": 10_000, "extra_cancels": 100_000, "spacing_ms": 10_000}),
    (_BUDGET, AddressRules(), {"expired_cost": 5, "request_price_e8": 50_000, "unified_daily_actions": 50_000}),
    (_OPEN, OpenOrderRules(), {"base": 1_000, "most": 5_000, "volume_per_extra_e8": 5_000_000 * E8}),
)


@pytest.mark.parametrize(("section", "rules", "numbers"), DEFAULTS, ids=str)
def test_the_rules_default_to_the_documented_numbers(section: Any, rules: Any, numbers: dict[str, int]) -> None:
    assert {name: getattr(rules, name) for name in numbers} == numbers, section


def test_every_limit_of_an_account_has_a_row() -> None:
    rules = {rule.name for kind in (AddressRules, OpenOrderRules) for rule in fields(kind)}
    switches = {"enforced", "refusal_burns_nonce"}
    assert shown_limits(ROWS) == rules - switches


@pytest.mark.parametrize("special", ["reduce only", "trigger"])
def test_at_a_thousand_orders_those_that_only_reduce_or_wait_are_refused_whatever_was_traded(special: str) -> None:
    venue = bench(faucet=10**8)
    venue.place(BOB, limit("180", "10", buy=False))
    venue.place(ALICE, limit("180", "10", tif=Tif.IOC))
    venue.state.accounts[ALICE].volume_e8 = 10**12 * E8
    for _ in range(5):
        venue.place(ALICE, *[limit("100", "0.1", tif=Tif.ALO)] * 200)
    reducing = limit("190", "0.1", buy=False, reduce_only=True)
    refused = venue.place(ALICE, reducing if special == "reduce only" else TAKING_BACK)
    assert refused == {"error": "Too many open orders. asset=0"}, _OPEN
    assert "resting" in venue.place(ALICE, limit("100", "0.1", tif=Tif.ALO))


def test_what_is_refused_counts_nothing_and_does_not_prolong_the_wait() -> None:
    section = measured("testnet, a limited account that keeps asking")
    venue = bench()
    spent(venue, 10**6)
    began = venue.now_ms
    refused = [passes(venue.run(ALICE, Noop())) for _ in range(20)]
    assert (any(refused), venue.state.accounts[ALICE].requests) == (False, 10**6), section
    venue.step(began + 10_000 - venue.now_ms)
    assert passes(venue.run(ALICE, Noop())), section


@pytest.mark.parametrize(("coin", "share"), [("SOL", 1), ("tst:THIN", 10)])
def test_each_unit_traded_frees_a_request_and_in_growth_mode_a_tenth(coin: str, share: int) -> None:
    venue = bench(coins=("SOL", "tst:THIN"))
    market = venue.state.market_of(coin)
    for who in (ALICE, BOB):
        venue.state.deposit(who, 10**13, dex=market.dex)
    px = canonical_e8(market.round_px(venue.state.mark_px_e8(market.asset), up=True))
    venue.place(BOB, limit(px, "10", buy=False, asset=market.asset))
    venue.place(ALICE, limit(px, "10", tif=Tif.IOC, asset=market.asset))
    freed = cap_of(venue.state.accounts[ALICE], AddressRules()) - 10_000
    assert freed == 10 * parse_e8(px) // E8 // share > 0, _BUDGET


def test_a_sub_account_has_a_budget_of_its_own() -> None:
    venue = bench(**OPEN)
    venue.run(ALICE, CreateSubAccount("one"))
    (sub,) = venue.state.accounts[ALICE].sub_accounts
    before = venue.state.accounts[ALICE].requests
    venue.run(ALICE, Noop(), vault=sub)
    assert (venue.state.accounts[sub].requests, venue.state.accounts[ALICE].requests) == (1, before), _BUDGET
