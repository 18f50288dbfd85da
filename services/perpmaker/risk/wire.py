"""The core's values as messages of the contract."""

from __future__ import annotations

from collections.abc import Iterable

from perpmaker.proto.risk.v1 import risk_pb2 as pb
from perpmaker.risk.evaluate import Evaluation, MarketEvaluation
from perpmaker.risk.finding import Finding, Severity
from perpmaker.risk.latch import LatchState
from perpmaker.risk.permission import Permission
from perpmaker.risk.record import Record
from perpmaker.risk.shares import share_ppm


def permission_message(permission: Permission, valid_until_ms: int) -> pb.Permission:
    """A permission with the wall-clock time after which it says nothing."""
    return pb.Permission(
        min_position_e8=permission.min_position_e8,
        max_position_e8=permission.max_position_e8,
        reduce_only=permission.reduce_only,
        spread_factor_ppm=permission.spread_factor_ppm,
        size_factor_ppm=permission.size_factor_ppm,
        killed=permission.killed,
        closed=permission.closed,
        valid_until_ms=valid_until_ms,
        reasons=permission.reasons,
        trip_id=permission.trip_id,
        bid_size_factor_ppm=permission.bid_size_factor_ppm,
        ask_size_factor_ppm=permission.ask_size_factor_ppm,
    )


def trip_messages(record: Record) -> list[pb.Trip]:
    """Every latch that is set."""
    return [
        pb.Trip(
            trip_id=latch.trip_id,
            market=scope,
            reason=latch.reason,
            tripped_time_ms=latch.tripped_time_ms,
            executed=latch.state is LatchState.HALTED,
        )
        for scope, latch in record.latches.items()
        if latch.is_latched
    ]


def state_message(
    evaluation: Evaluation,
    record: Record,
    *,
    valid_until_ms: int,
    last_kill_latency_us: int,
    applied_revision: int,
    ready: bool,
) -> pb.GetStateResponse:
    """Everything risk sees and has decided; the account's checks are listed with every market."""
    return pb.GetStateResponse(
        markets=[
            _market_message(market, valid_until_ms, evaluation.account_findings)
            for market in evaluation.markets.values()
        ],
        trips=trip_messages(record),
        equity_quote_e8=evaluation.account.equity_e8,
        day_pnl_quote_e8=evaluation.account.day_pnl_e8,
        last_kill_latency_us=last_kill_latency_us,
        applied_revision=applied_revision,
        last_rearmed_trip_id=record.last_rearmed_trip_id,
        margin_usage_ppm=share_ppm(evaluation.account.margin_used_e8, evaluation.account.equity_e8),
        gross_notional_quote_e8=evaluation.account.gross_notional_e8,
        ready=ready,
    )


def _market_message(
    market: MarketEvaluation, valid_until_ms: int, account_findings: Iterable[Finding]
) -> pb.MarketRisk:
    state = market.state
    return pb.MarketRisk(
        market=state.market,
        permission=permission_message(market.permission, valid_until_ms),
        checks=[
            pb.Check(
                name=finding.check,
                severity=int(finding.severity),
                utilization_ppm=finding.utilization_ppm,
                detail=finding.detail,
            )
            for finding in (*market.findings, *account_findings)
            if finding.severity is not Severity.NONE or finding.utilization_ppm
        ],
        day_pnl_quote_e8=state.day_pnl_e8,
        drawdown_quote_e8=state.drawdown_e8,
        mark_px_e8=state.mark_px_e8,
        data_age_ms=-1 if state.book_age_ms is None else state.book_age_ms,
    )
