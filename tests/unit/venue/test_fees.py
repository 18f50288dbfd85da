"""What executions cost. Rows name the exchange's documentation, "Fees" and "HIP-3: fees"."""

from __future__ import annotations

import pytest
from tests.support.venue_core import ALICE, BOB, CAROL, Bench, bench, limit

from perpmaker.venue.engine import fees
from perpmaker.venue.engine.account_actions import SetReferrer
from perpmaker.venue.engine.accounts import Account
from perpmaker.venue.engine.answers import Ok
from perpmaker.venue.engine.digest import state_hash
from perpmaker.venue.engine.markets import list_markets
from perpmaker.venue.engine.orders import Builder, NewOrder, Tif
from perpmaker.venue.engine.state import Rules, State
from perpmaker.venue.units import E8, parse_e8
from perpmaker.venue.views.fee_rates import user_fees
from perpmaker.venue.views.info import answer_info
from perpmaker.venue.wire import info_requests as ask

_DAY_MS = 86_400_000
_TODAY_MS = 20_000 * _DAY_MS


def state_of(*coins: str) -> State:
    state = State(list_markets(coins or ("SOL",)), Rules(), seed=1)
    state.now_ms = _TODAY_MS
    return state


def trader(state: State, *, taken: int = 0, made: int = 0, others_made: int = 0) -> Account:
    """An account with this volume (quote units) yesterday, among others with theirs."""
    account = state.accounts[ALICE] = Account(ALICE)
    account.volume_by_day[19_999] = taken * E8, made * E8
    account.volume_e8 = (taken + made) * E8
    other = state.accounts[BOB] = Account(BOB)
    other.volume_by_day[19_999] = 0, others_made * E8
    return account


@pytest.mark.parametrize(
    ("volume", "rates"),
    [
        (0, (450, 150)),
        (5_000_000, (450, 150)),
        (5_000_001, (400, 120)),
        (25_000_001, (350, 80)),
        (100_000_001, (300, 40)),
        (500_000_001, (280, 0)),
        (2_000_000_001, (260, 0)),
        (7_000_000_001, (240, 0)),
    ],
)
def test_tiers_follow_the_volume_of_two_weeks(volume: int, rates: tuple[int, int]) -> None:
    state = state_of()
    assert fees.base_rates_e6(state, trader(state, taken=volume)) == rates


@pytest.mark.parametrize(("made", "rate"), [(5_000, 150), (5_001, 140), (15_001, 130), (30_001, 120)])
def test_a_share_of_all_maker_volume_lowers_the_maker_rate(made: int, rate: int) -> None:
    state = state_of()
    account = trader(state, made=made, others_made=1_000_000 - made)
    assert fees.base_rates_e6(state, account)[1] == rate


def test_a_large_maker_with_volume_is_paid() -> None:
    state = state_of()
    account = trader(state, made=600_000_000, others_made=1_000_000)
    assert fees.fee_e8(state, account, state.markets[0], 10_000 * E8, crossed=False) == -30 * E8 // 100


def test_tiers_are_looked_at_once_a_day_and_forget_after_two_weeks() -> None:
    state = state_of()
    account = trader(state)
    assert fees.base_rates_e6(state, account)[0] == 450
    account.volume_by_day[19_999] = 6_000_000 * E8, 0
    assert fees.base_rates_e6(state, account)[0] == 450
    state.now_ms += _DAY_MS
    assert fees.base_rates_e6(state, account)[0] == 400
    state.now_ms += 14 * _DAY_MS
    assert fees.base_rates_e6(state, account)[0] == 450


@pytest.mark.parametrize(
    ("staked", "percent"),
    [(10, 0), (11, 5), (101, 10), (1_001, 15), (10_001, 20), (100_001, 30), (500_001, 40)],
)
def test_staking_lowers_positive_fees(staked: int, percent: int) -> None:
    state = state_of()
    account = trader(state)
    account.staked_tokens = staked
    assert fees.rate_e12(state, account, state.markets[0], crossed=True) == 450 * 10**6 * (100 - percent) // 100


def test_a_referral_lowers_fees_for_the_first_volume_only() -> None:
    state = state_of()
    account = trader(state)
    account.referrer_code = "ANY"
    assert fees.rate_e12(state, account, state.markets[0], crossed=True) == 432 * 10**6
    account.volume_e8 = 25_000_000 * E8
    assert fees.rate_e12(state, account, state.markets[0], crossed=True) == 450 * 10**6


def test_whoever_names_a_referrer_is_told_the_lower_fees() -> None:
    venue = bench()
    assert venue.run(ALICE, SetReferrer("ANY")) == Ok({"type": "default"})
    shown = answer_info(venue.venue, ask.UserFees(user=ALICE))
    assert (shown["userCrossRate"], shown["activeReferralDiscount"]) == ("0.000432", "0.04")
    assert answer_info(venue.venue, ask.Referral(user=ALICE))["referredBy"]["code"] == "ANY"


def test_new_accounts_have_staked_what_the_rules_say_and_the_house_nothing() -> None:
    venue = bench(staked_tokens=1_001)
    venue.place(ALICE, limit("170"))
    venue.state.open_account(CAROL, is_house=True)
    assert [venue.state.accounts[who].staked_tokens for who in (ALICE, CAROL)] == [1_001, 0]
    shown = answer_info(venue.venue, ask.UserFees(user=ALICE))
    assert shown["activeStakingDiscount"] == {"bpsOfMaxSupply": "0.01001", "discount": "0.15"}


@pytest.mark.parametrize(("coin", "counted"), [("tst:GOLD", 18_000), ("tst:THIN", 1_800)])
def test_volume_in_growth_mode_counts_a_tenth_for_tiers_and_requests(coin: str, counted: int) -> None:
    venue = bench(coins=(coin,))
    asset = venue.state.markets[0].asset
    venue.state.marks[asset].pin(180 * E8)
    venue.place(BOB, limit("180", "100", buy=False, asset=asset))
    venue.place(ALICE, limit("180", "100", tif=Tif.IOC, asset=asset))
    told = answer_info(venue.venue, ask.UserRateLimit(user=ALICE))
    assert (told["cumVlm"], told["nRequestsCap"]) == (f"{counted}.0", 10_000 + counted)
    today = answer_info(venue.venue, ask.UserFees(user=BOB))["dailyUserVlm"][-1]
    assert (today["userAdd"], today["userCross"]) == (f"{counted}.0", "0.0")


def test_discounts_and_the_deployers_factor_leave_rebates_alone() -> None:
    state = state_of("tst:GOLD")
    account = trader(state, made=600_000_000)
    account.staked_tokens = 10**6
    assert fees.rate_e12(state, account, state.markets[0], crossed=False) == -30 * 10**6


@pytest.mark.parametrize(("coin", "rate_e6"), [("SOL", 450), ("tst:GOLD", 900), ("tst:THIN", 90)])
def test_builder_dexes_cost_more_and_growth_mode_a_tenth(coin: str, rate_e6: int) -> None:
    state = state_of(coin)
    assert fees.rate_e12(state, trader(state), state.markets[0], crossed=True) == rate_e6 * 10**6


def test_fees_are_cut_to_six_decimals() -> None:
    state = state_of("BTC")
    value = parse_e8("66.653")
    assert fees.fee_e8(state, trader(state), state.markets[0], value, crossed=False) == parse_e8("0.009997")


def traded(builder: Builder) -> Bench:
    venue = bench()
    venue.place(BOB, limit("180", "10", buy=False))
    venue.place(ALICE, limit("170", "0.1"))
    venue.state.accounts[ALICE].builder_approvals[builder.address] = builder.fee_tenths_bp
    order = NewOrder(0, True, 180 * E8, 10 * E8, Tif.IOC, builder=builder)
    venue.place(ALICE, order)
    return venue


def test_the_builder_is_paid_on_top() -> None:
    venue = traded(Builder("0x" + "9" * 40, 20))
    made = venue.state.accounts[ALICE].fills[-1]
    assert (made.builder_fee_e8, made.fee_e8) == (parse_e8("0.36"), parse_e8("1.17"))
    assert venue.state.pool.builder_fees_e8 == {"0x" + "9" * 40: parse_e8("0.36")}


def test_user_fees_show_the_schedule_and_what_the_account_pays() -> None:
    state = state_of()
    account = trader(state, taken=6_000_000)
    account.staked_tokens = 11
    shown = user_fees(state, account)
    assert (shown["userCrossRate"], shown["userAddRate"]) == ("0.00038", "0.000114")
    assert shown["feeSchedule"]["tiers"]["vip"][0]["ntlCutoff"] == "5000000.0"
    assert shown["feeSchedule"]["tiers"]["mm"][2] == {"makerFractionCutoff": "0.03", "add": "-0.00003"}
    assert shown["activeStakingDiscount"]["discount"] == "0.05"


def test_asking_for_fees_changes_nothing() -> None:
    venue = traded(Builder("0x" + "9" * 40, 20))
    venue.state.accounts[BOB].fee_rates_cache = (-1, 0, 0)
    before = state_hash(venue.state)
    user_fees(venue.state, venue.state.accounts[BOB])
    assert state_hash(venue.state) == before
