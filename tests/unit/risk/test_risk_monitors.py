"""Each monitor at its thresholds and one step to either side."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.risk import LOT_E8, MARK_E8, account_limits, healthy, market_limits, solvent

from perpmaker.common.decimals import E8
from perpmaker.risk.aggregate import aggregate
from perpmaker.risk.finding import Action, Severity
from perpmaker.risk.monitors import (
    account_limits as account_limits_monitor,
)
from perpmaker.risk.monitors import (
    daily_loss,
    drawdown,
    drift,
    liquidation,
    listing,
    mode,
    position,
    sources,
    stale_data,
    unknown_orders,
)
from perpmaker.risk.state import Instrument, Pending

LIMIT_E8 = E8 // 5  # 10,000 at a mark of 50,000


@pytest.mark.parametrize(
    ("position_e8", "action"),
    [
        (LIMIT_E8, Action.NONE),
        (LIMIT_E8 + LOT_E8, Action.REDUCE_ONLY),
        (-LIMIT_E8, Action.NONE),
        (-LIMIT_E8 - LOT_E8, Action.REDUCE_ONLY),
        (2 * LIMIT_E8, Action.REDUCE_ONLY),
        (2 * LIMIT_E8 + LOT_E8, Action.KILL),
        (-2 * LIMIT_E8 - LOT_E8, Action.KILL),
    ],
)
def test_a_position_over_its_limit_may_only_shrink_and_over_twice_the_limit_it_is_a_runaway(
    position_e8: int, action: Action
) -> None:
    verdict = aggregate(position.check(healthy(position_e8=position_e8), market_limits()))
    assert verdict.action is action
    assert verdict.kill_reasons == (("runaway",) if action is Action.KILL else ())


@pytest.mark.parametrize(("percent", "action"), [(97, Action.NONE), (98, Action.REDUCE_ONLY)])
def test_once_over_the_limit_a_position_is_inside_only_from_three_per_cent_below(percent: int, action: Action) -> None:
    state = healthy(position_e8=LIMIT_E8 * percent // 100, was_over_limit=True)
    assert aggregate(position.check(state, market_limits())).action is action


@pytest.mark.parametrize(
    ("bid_e8", "ask_e8", "words"),
    [
        (LIMIT_E8, LIMIT_E8, ()),
        (LIMIT_E8 + 1, 0, ("long",)),
        (0, LIMIT_E8 + 1, ("short",)),
        (LIMIT_E8 + 1, LIMIT_E8 + 1, ("long", "short")),
    ],
)
def test_a_worst_case_over_the_limit_warns_with_every_side_and_restricts_nothing(
    bid_e8: int, ask_e8: int, words: tuple[str, ...]
) -> None:
    finding = position.check(healthy().with_pending_exposure(bid_e8, ask_e8), market_limits())[1]
    assert finding.severity is (Severity.MEDIUM if words else Severity.NONE)
    assert not finding.restricts
    assert [word for word in ("long", "short") if word in finding.detail] == list(words)


def test_a_lasting_difference_to_the_exchange_counts_as_position() -> None:
    state = healthy(position_e8=0, drift_e8=2 * LIMIT_E8 + LOT_E8, drift_age_ms=5_000)
    assert aggregate(position.check(state, market_limits())).kill


def test_a_young_difference_to_the_exchange_is_fills_in_flight() -> None:
    state = healthy(position_e8=0, drift_e8=2 * LIMIT_E8 + LOT_E8, drift_age_ms=4_999)
    assert aggregate(position.check(state, market_limits())).action is Action.NONE


LOSSES = [
    (0, Action.NONE, Severity.NONE),
    (400 * E8 - 1, Action.NONE, Severity.MEDIUM),
    (399 * E8, Action.NONE, Severity.NONE),
    (400 * E8, Action.NONE, Severity.MEDIUM),
    (500 * E8 - 1, Action.NONE, Severity.MEDIUM),
    (500 * E8, Action.KILL, Severity.CRITICAL),
    (501 * E8, Action.KILL, Severity.CRITICAL),
]


@pytest.mark.parametrize(("loss_e8", "action", "severity"), LOSSES)
def test_a_daily_loss_warns_from_four_fifths_and_kills_at_the_limit(
    loss_e8: int, action: Action, severity: Severity
) -> None:
    (finding,) = daily_loss.check_market(healthy(day_pnl_e8=-loss_e8), market_limits())
    assert (finding.action, finding.severity) == (action, severity)


def test_a_daily_loss_only_reduces_where_the_trader_chose_so() -> None:
    (finding,) = daily_loss.check_market(healthy(day_pnl_e8=-500 * E8), market_limits(on_breach="ReduceOnly"))
    assert finding.action is Action.REDUCE_ONLY


def test_the_account_has_a_daily_loss_of_its_own() -> None:
    (below,) = daily_loss.check_account(solvent(day_pnl_e8=-1_000 * E8 + 1), account_limits())
    (at,) = daily_loss.check_account(solvent(day_pnl_e8=-1_000 * E8), account_limits())
    assert (below.action, at.action) == (Action.NONE, Action.KILL)


@pytest.mark.parametrize(
    ("peak_e8", "pnl_e8", "action", "severity"),
    [
        (200 * E8, 200 * E8, Action.NONE, Severity.NONE),
        (200 * E8, -9 * E8, Action.NONE, Severity.NONE),
        (200 * E8, -10 * E8, Action.NONE, Severity.MEDIUM),
        (200 * E8, -100 * E8 + 1, Action.NONE, Severity.MEDIUM),
        (200 * E8, -100 * E8, Action.KILL, Severity.CRITICAL),
    ],
)
def test_a_fall_from_the_peak_warns_from_seven_tenths_and_kills_at_the_limit(
    peak_e8: int, pnl_e8: int, action: Action, severity: Severity
) -> None:
    (finding,) = drawdown.check_market(healthy(peak_pnl_e8=peak_e8, day_pnl_e8=pnl_e8), market_limits())
    assert (finding.action, finding.severity) == (action, severity)


def test_no_drawdown_limit_means_no_drawdown_check() -> None:
    state, account = healthy(peak_pnl_e8=10**15), solvent(peak_pnl_e8=10**15)
    assert drawdown.check_market(state, market_limits(max_drawdown_e8=None)) == ()
    assert drawdown.check_account(account, account_limits(max_drawdown_e8=None)) == ()


def test_the_account_has_a_drawdown_of_its_own() -> None:
    (finding,) = drawdown.check_account(solvent(peak_pnl_e8=800 * E8), account_limits())
    assert finding.action is Action.KILL


@pytest.mark.parametrize(
    ("age_ms", "action", "reason"),
    [
        (None, Action.HOLD, "no_market_data"),
        (0, Action.NONE, "stale_data"),
        (2_000, Action.NONE, "stale_data"),
        (2_001, Action.HOLD, "stale_data"),
        (10_000, Action.HOLD, "stale_data"),
        (10_001, Action.PULL, "stale_data"),
    ],
)
def test_an_old_book_stops_quoting_and_a_very_old_one_empties_the_book(
    age_ms: int | None, action: Action, reason: str
) -> None:
    (finding,) = stale_data.check(healthy(book_age_ms=age_ms), market_limits())
    assert (finding.action, finding.reason) == (action, reason)


def test_a_feed_known_to_be_down_stops_quoting_before_its_book_is_old() -> None:
    (finding,) = stale_data.check(healthy(market_data_live=False), market_limits())
    assert (finding.action, finding.reason) == (Action.HOLD, "feed_lost")


def test_a_book_without_a_price_is_no_market_data() -> None:
    (finding,) = stale_data.check(healthy(mark_px_e8=0), market_limits())
    assert finding.reason == "no_market_data"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"order_state_live": False}, "order_state"),
        ({"standing_age_ms": None}, "order_state"),
        ({"instrument": None}, "instrument_unknown"),
        ({"trade_limits": None}, "trade_limits_unknown"),
    ],
)
def test_a_market_with_a_missing_source_is_not_quoted(changed: dict[str, Any], reason: str) -> None:
    (finding,) = sources.check_market(healthy(**changed), market_limits())
    assert (finding.action, finding.reason) == (Action.HOLD, reason)


def test_a_delisted_market_is_not_quoted_and_is_no_missing_source() -> None:
    delisted = healthy(instrument=Instrument(lot_e8=LOT_E8, max_leverage=40, delisted=True))
    (finding,) = listing.check(delisted, market_limits())
    assert (finding.check, finding.action, finding.reason) == ("listing", Action.HOLD, "delisted")
    assert sources.check_market(delisted, market_limits()) == ()
    assert [finding.restricts for finding in listing.check(healthy(), market_limits())] == [False]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"store_live": False}, "store"),
        ({"verified_fresh": False}, "starting"),
        ({"account_age_ms": None}, "account_unknown"),
        ({"account_age_ms": 60_001}, "account_stale"),
        ({"gap_open": True}, "gap"),
    ],
)
def test_an_account_with_a_missing_source_is_not_quoted(changed: dict[str, Any], reason: str) -> None:
    (finding,) = sources.check_account(solvent(**changed), account_limits())
    assert (finding.action, finding.reason) == (Action.HOLD, reason)


def test_complete_sources_find_nothing() -> None:
    assert sources.check_market(healthy(), market_limits()) == ()
    assert sources.check_account(solvent(account_age_ms=60_000), account_limits()) == ()


@pytest.mark.parametrize(
    ("changed", "reasons", "action"),
    [
        ({"gross_notional_e8": 50_000 * E8}, (), Action.NONE),
        ({"gross_notional_e8": 50_000 * E8 + 1}, ("gross_notional",), Action.REDUCE_ONLY),
        ({"net_notional_e8": -30_000 * E8 - 1}, (), Action.NONE),
        ({"equity_e8": 100 * E8}, (), Action.NONE),
        ({"equity_e8": 100 * E8 - 1}, ("min_equity",), Action.KILL),
        ({"margin_used_e8": 8_000 * E8}, (), Action.NONE),
        ({"margin_used_e8": 8_001 * E8}, ("margin_usage",), Action.REDUCE_ONLY),
    ],
)
def test_account_limits_at_their_edges(changed: dict[str, Any], reasons: tuple[str, ...], action: Action) -> None:
    verdict = aggregate(account_limits_monitor.check(solvent(**changed), account_limits()))
    assert (verdict.reasons, verdict.action) == (reasons, action)


@pytest.mark.parametrize(
    ("changed", "check"),
    [({"net_notional_e8": 30_000 * E8 + 1}, "net_notional"), ({"margin_used_e8": 7_200 * E8}, "margin_usage")],
)
def test_net_notional_and_high_margin_use_only_warn(changed: dict[str, Any], check: str) -> None:
    findings = account_limits_monitor.check(solvent(**changed), account_limits())
    assert [(f.check, f.severity) for f in findings if f.severity] == [(check, Severity.MEDIUM)]


def test_equity_and_margin_are_not_judged_before_they_were_seen() -> None:
    account = solvent(equity_e8=0, account_age_ms=None)
    findings = account_limits_monitor.check(account, account_limits(max_net_notional_e8=None))
    assert [f.check for f in findings] == ["gross_notional"]


@pytest.mark.parametrize(
    ("held_e8", "liquidation_px_e8", "action"),
    [
        # Maintenance is 1.25 % at 40x: the buffer is 0.3 at a distance of 0.5357 %.
        (E8 // 10, MARK_E8 * 99_464 // 100_000, Action.NONE),
        (E8 // 10, MARK_E8 * 99_465 // 100_000, Action.REDUCE_ONLY),
        (-E8 // 10, MARK_E8 * 100_536 // 100_000, Action.NONE),
        (-E8 // 10, MARK_E8 * 100_535 // 100_000, Action.REDUCE_ONLY),
        (E8 // 10, MARK_E8 + 1, Action.REDUCE_ONLY),
    ],
)
def test_a_mark_near_liquidation_only_reduces(held_e8: int, liquidation_px_e8: int, action: Action) -> None:
    """I35: the distance to liquidation is at least the buffer, or the market only reduces."""
    state = healthy(liquidation_sz_e8=held_e8, liquidation_px_e8=liquidation_px_e8)
    (finding,) = liquidation.check(state, market_limits())
    assert finding.action is action


def test_a_ledger_that_changed_sides_is_not_held_against_the_price_of_the_other_side() -> None:
    far_above = 1_000 * MARK_E8
    state = healthy(position_e8=E8 // 10, liquidation_sz_e8=-E8 // 10, liquidation_px_e8=far_above)
    (finding,) = liquidation.check(state, market_limits())
    assert finding.action is Action.NONE


@pytest.mark.parametrize("changed", [{"liquidation_sz_e8": 0}, {"liquidation_px_e8": 0}, {"instrument": None}])
def test_without_a_liquidation_price_there_is_nothing_to_keep_away_from(changed: dict[str, Any]) -> None:
    usual: dict[str, Any] = {
        "liquidation_sz_e8": E8,
        "liquidation_px_e8": MARK_E8,
        "instrument": Instrument(LOT_E8, 40),
    }
    assert liquidation.check(healthy(**{**usual, **changed}), market_limits()) == ()


@pytest.mark.parametrize(
    ("drift_e8", "age_ms", "action", "severity"),
    [
        (LOT_E8, 4_999, None, None),
        (0, 60_000, None, None),
        (LOT_E8, 5_000, Action.NONE, Severity.MEDIUM),
        (LOT_E8, 29_999, Action.NONE, Severity.MEDIUM),
        (LOT_E8, 30_000, Action.REDUCE_ONLY, Severity.HIGH),
        (LIMIT_E8 // 20, 5_000, Action.NONE, Severity.MEDIUM),
        (-LIMIT_E8 // 20 - 1, 5_000, Action.REDUCE_ONLY, Severity.HIGH),
    ],
)
def test_a_difference_to_the_exchange_widens_and_when_large_or_old_only_reduces(
    drift_e8: int, age_ms: int, action: Action | None, severity: Severity | None
) -> None:
    found = drift.check(healthy(drift_e8=drift_e8, drift_age_ms=age_ms), market_limits())
    if action is None:
        assert found == ()
    else:
        assert (found[0].action, found[0].severity, found[0].spread_factor_ppm) == (action, severity, 1_500_000)


@pytest.mark.parametrize(
    ("age_ms", "action", "size_ppm"),
    [
        (None, None, None),
        (4_999, None, None),
        (5_000, Action.NONE, 1_000_000),
        (14_999, Action.NONE, 1_000_000),
        (15_000, Action.NONE, 500_000),
        (59_999, Action.NONE, 500_000),
        (60_000, Action.REDUCE_ONLY, 500_000),
    ],
)
def test_an_unknown_order_restricts_more_the_older_it_gets(
    age_ms: int | None, action: Action | None, size_ppm: int | None
) -> None:
    found = unknown_orders.check(healthy(pending=Pending(oldest_unknown_age_ms=age_ms)), market_limits())
    if action is None:
        assert found == ()
    else:
        assert (found[0].action, found[0].size_factor_ppm) == (action, size_ppm)


def test_the_trader_can_ask_for_reduce_only() -> None:
    assert mode.check(healthy(), market_limits()) == ()
    (finding,) = mode.check(healthy(), market_limits(reduce_only=True))
    assert (finding.action, finding.severity) == (Action.REDUCE_ONLY, Severity.LOW)
