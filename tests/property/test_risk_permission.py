"""What no facts whatever can make a permission do."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st
from tests.support.risk import BTC, LOT_E8, account_limits, healthy, market_limits, solvent

from perpmaker.common.decimals import E8
from perpmaker.risk import record as records
from perpmaker.risk.aggregate import aggregate
from perpmaker.risk.evaluate import evaluate
from perpmaker.risk.finding import Action, Finding, Severity
from perpmaker.risk.permission import Permission
from perpmaker.risk.record import Record
from perpmaker.risk.sizing import SideScales, scale_ppm
from perpmaker.risk.state import AccountRisk, Pending, RiskState, TradeLimits, limit_in_lots_e8

ages = st.one_of(st.none(), st.integers(0, 400_000))
money = st.integers(-2_000 * E8, 2_000 * E8)
sizes = st.integers(0, E8)
lots = st.integers(-60_000, 60_000).map(lambda n: n * LOT_E8)
marks = st.integers(1_000, 200_000).map(lambda px: px * E8)
scales = st.builds(SideScales, bid_ppm=st.integers(0, 1_000_000), ask_ppm=st.integers(0, 1_000_000))

NOTHING_LATCHED, FULL = Record(), SideScales()


@st.composite
def states(draw: st.DrawFn) -> RiskState:
    mark_px_e8 = draw(marks)
    return healthy(
        mark_px_e8=mark_px_e8,
        max_position_e8=limit_in_lots_e8(10_000 * E8, mark_px_e8, LOT_E8),
        position_e8=draw(lots),
        pending=Pending(
            max_possible_bid_e8=draw(sizes),
            max_possible_ask_e8=draw(sizes),
            unknown_bid_e8=draw(sizes),
            unknown_ask_e8=draw(sizes),
            oldest_unknown_age_ms=draw(ages),
        ),
        day_pnl_e8=draw(money),
        peak_pnl_e8=draw(st.integers(0, 2_000 * E8)),
        drift_e8=draw(lots),
        drift_age_ms=draw(st.integers(0, 60_000)),
        trade_limits=draw(
            st.one_of(
                st.none(), st.builds(TradeLimits, max_buy_e8=lots, max_sell_e8=lots, age_ms=st.integers(0, 400_000))
            )
        ),
        order_state_live=draw(st.booleans()),
        market_data_live=draw(st.booleans()),
        standing_age_ms=draw(ages),
        book_age_ms=draw(ages),
    )


accounts = st.builds(
    AccountRisk,
    equity_e8=st.integers(-100 * E8, 20_000 * E8),
    margin_used_e8=st.integers(0, 20_000 * E8),
    account_age_ms=ages,
    gap_open=st.booleans(),
    store_live=st.booleans(),
    verified_fresh=st.booleans(),
    gross_notional_e8=st.integers(0, 100_000 * E8),
    net_notional_e8=st.integers(-100_000 * E8, 100_000 * E8),
    day_pnl_e8=money,
    peak_pnl_e8=st.integers(0, 2_000 * E8),
)


def permission_for(
    state: RiskState, account: AccountRisk, record: Record = NOTHING_LATCHED, previous: SideScales = FULL
) -> Permission:
    account = replace(account, gross_notional_e8=max(account.gross_notional_e8, state.notional_e8))
    judged = evaluate({BTC: state}, account, account_limits(), {BTC: market_limits()}, record, {BTC: previous})
    return judged.markets[BTC].permission


@given(states(), accounts, scales)
def test_a_range_is_whole_lots_inside_the_limit_and_contains_flat(
    state: RiskState, account: AccountRisk, previous: SideScales
) -> None:
    permission = permission_for(state, account, previous=previous)
    assert -state.max_position_e8 <= permission.min_position_e8 <= 0 <= permission.max_position_e8
    assert permission.max_position_e8 <= state.max_position_e8
    assert permission.min_position_e8 % LOT_E8 == permission.max_position_e8 % LOT_E8 == 0
    assert permission.spread_factor_ppm >= 1_000_000
    for factor in (permission.size_factor_ppm, permission.bid_size_factor_ppm, permission.ask_size_factor_ppm):
        assert 0 <= factor <= 1_000_000


@given(states(), accounts)
def test_a_position_outside_its_limit_may_only_shrink(state: RiskState, account: AccountRisk) -> None:
    """I23: nothing ever permits an increase past the limit."""
    permission = permission_for(state, account)
    if abs(state.position_e8) > state.max_position_e8:
        assert permission.reduce_only
        if state.position_e8 > 0:
            assert permission.max_position_e8 < state.position_e8
            assert permission.min_position_e8 == 0
        else:
            assert permission.min_position_e8 > state.position_e8
            assert permission.max_position_e8 == 0


@given(states(), accounts)
def test_reduce_only_never_lets_the_position_grow_or_flip(state: RiskState, account: AccountRisk) -> None:
    permission = permission_for(state, account)
    if permission.reduce_only:
        assert min(0, state.position_e8) <= permission.min_position_e8
        assert permission.max_position_e8 <= max(0, state.position_e8)


@given(states(), accounts)
def test_a_permission_that_restricts_says_why(state: RiskState, account: AccountRisk) -> None:
    permission = permission_for(state, account)
    restricted = permission.reduce_only or permission.killed or permission.size_factor_ppm < 1_000_000
    assert bool(permission.reasons) >= restricted


@given(states(), accounts)
def test_nothing_overrides_a_latch(state: RiskState, account: AccountRisk) -> None:
    """I24: while latched, no facts permit a placement."""
    record = records.trip(Record(), "", "t", "manual", 1)
    permission = permission_for(state, account, record)
    assert (permission.killed, permission.trip_id, permission.size_factor_ppm) == (True, "t", 0)
    assert (permission.min_position_e8, permission.max_position_e8) == (0, 0)


WORSE: dict[str, st.SearchStrategy[int]] = {
    "loss": st.integers(0, 1_000 * E8),
    "age": st.integers(0, 100_000),
    "drift": st.integers(0, 60_000),
    "unknown": st.integers(0, 100_000),
    "margin": st.integers(0, 10_000 * E8),
    "equity": st.integers(0, 10_000 * E8),
}


def older(age_ms: int | None, by_ms: int) -> int | None:
    return None if age_ms is None else age_ms + by_ms


@given(states(), accounts, st.fixed_dictionaries(WORSE), st.booleans(), st.booleans())
def test_worse_facts_never_give_a_milder_permission(
    state: RiskState, account: AccountRisk, by: dict[str, int], lose_orders: bool, lose_store: bool
) -> None:
    worse_state = replace(
        state,
        day_pnl_e8=state.day_pnl_e8 - by["loss"],
        book_age_ms=older(state.book_age_ms, by["age"]),
        drift_age_ms=state.drift_age_ms + by["drift"],
        pending=replace(state.pending, oldest_unknown_age_ms=older(state.pending.oldest_unknown_age_ms, by["unknown"])),
        order_state_live=state.order_state_live and not lose_orders,
    )
    worse_account = replace(
        account,
        day_pnl_e8=account.day_pnl_e8 - by["loss"],
        margin_used_e8=account.margin_used_e8 + by["margin"],
        equity_e8=account.equity_e8 - by["equity"],
        store_live=account.store_live and not lose_store,
    )
    # The account's picture holds the notionals of its markets, which grow with a difference that has lasted.
    grown_e8 = worse_state.notional_e8 - state.notional_e8
    worse_account = replace(worse_account, gross_notional_e8=worse_account.gross_notional_e8 + grown_e8)
    account = replace(account, gross_notional_e8=account.gross_notional_e8 + state.notional_e8)
    worse_account = replace(worse_account, gross_notional_e8=worse_account.gross_notional_e8 + state.notional_e8)
    mild, strict = permission_for(state, account), permission_for(worse_state, worse_account)
    assert strict.reduce_only >= mild.reduce_only
    assert strict.killed >= mild.killed
    assert strict.size_factor_ppm <= mild.size_factor_ppm
    assert strict.killed or strict.spread_factor_ppm >= mild.spread_factor_ppm
    assert strict.min_position_e8 >= mild.min_position_e8
    assert strict.max_position_e8 <= mild.max_position_e8


@given(marks, st.lists(lots, min_size=2, max_size=2))
def test_more_position_never_gives_a_milder_permission(mark_px_e8: int, pair: list[int]) -> None:
    nearer, farther = sorted((abs(pair[0]), abs(pair[1])))
    limit_e8 = limit_in_lots_e8(10_000 * E8, mark_px_e8, LOT_E8)
    mild, strict = (
        permission_for(healthy(mark_px_e8=mark_px_e8, max_position_e8=limit_e8, position_e8=position_e8), solvent())
        for position_e8 in (nearer, farther)
    )
    assert strict.reduce_only >= mild.reduce_only
    assert strict.killed >= mild.killed
    assert strict.bid_size_factor_ppm <= mild.bid_size_factor_ppm or mild.killed


@given(st.integers(1, E8), st.integers(0, 2 * E8), st.integers(0, E8))
def test_the_size_scale_never_grows_with_the_position(limit_e8: int, position_e8: int, more_e8: int) -> None:
    assert scale_ppm(position_e8 + more_e8, limit_e8) <= scale_ppm(position_e8, limit_e8)


findings = st.builds(
    Finding,
    check=st.sampled_from(("a", "b")),
    reason=st.sampled_from(("x", "y", "z")),
    severity=st.sampled_from(Severity),
    action=st.sampled_from(Action),
    size_factor_ppm=st.integers(0, 1_000_000),
    spread_factor_ppm=st.integers(1_000_000, 5_000_000),
)


@given(st.lists(findings, max_size=4))
def test_the_order_of_findings_does_not_matter(found: list[Finding]) -> None:
    verdicts = [aggregate(order) for order in permutations(found)]
    for verdict in verdicts:
        first = verdicts[0]
        assert replace(verdict, reasons=(), kill_reasons=()) == replace(first, reasons=(), kill_reasons=())
        assert set(verdict.reasons) == set(first.reasons)


@given(st.lists(findings, max_size=5), findings)
def test_one_more_finding_never_makes_a_verdict_milder(found: list[Finding], extra: Finding) -> None:
    before, after = aggregate(found), aggregate([*found, extra])
    assert after.severity >= before.severity
    assert after.action >= before.action
    assert after.size_factor_ppm <= before.size_factor_ppm
    assert after.spread_factor_ppm >= before.spread_factor_ppm
    assert set(after.reasons) >= set(before.reasons)


@given(st.lists(findings, max_size=5))
def test_flags_are_the_or_of_all_findings(found: list[Finding]) -> None:
    verdict = aggregate(found)
    assert verdict.reduce_only == any(f.action >= Action.REDUCE_ONLY for f in found)
    assert verdict.hold == any(f.action >= Action.HOLD for f in found)
    assert verdict.pull == any(f.action >= Action.PULL for f in found)
    assert verdict.kill == any(f.action is Action.KILL for f in found)
    assert bool(verdict.kill_reasons) == verdict.kill
