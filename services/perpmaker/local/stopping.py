"""The ordered stop: quoters fall silent, the book is verified empty, the books are compared, then processes end.

Order: drain the quoters; have risk close every market until the exchange shows none of our orders; stop the quoters;
compare the ledger with the exchange; stop risk, order-state, gateway (it serves cancels until the others are gone),
store, venue.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
from grpc import aio

from perpmaker.common import rpc
from perpmaker.local.events import Note, Severity, Tell
from perpmaker.local.integrity import Books, differences
from perpmaker.local.processes import rss_mb
from perpmaker.local.summary import MarketResult, Summary
from perpmaker.local.topology import AccountProcesses, System
from perpmaker.local.truth import BooksUnreadableError, ExchangeReader, read_ledger
from perpmaker.local.world import MarketView
from perpmaker.proto.gateway.v1 import gateway_pb2, gateway_pb2_grpc
from perpmaker.proto.orderstate.v1 import orderstate_pb2, orderstate_pb2_grpc
from perpmaker.proto.quoter.v1 import quoter_pb2, quoter_pb2_grpc
from perpmaker.proto.risk.v1 import risk_pb2, risk_pb2_grpc

CLOSE_DEADLINE_S = 40.0
"""Time for a market's book to be verified empty, restarts of services on the way included."""
AGREE_DEADLINE_S = 15.0
"""Time for the last fills to arrive in the ledger."""

_CLOSE_CALL_S = 10.0
_RETRY_S = 0.25


@dataclass(frozen=True, slots=True)
class AccountResult:
    """How one account ended."""

    ledger: Books | None
    exchange: Books | None
    summary: orderstate_pb2.GetSummaryResponse | None
    tick_to_order: gateway_pb2.Quantiles | None
    problems: tuple[str, ...]


async def close_markets(processes: AccountProcesses, drain_id: str, tell: Tell) -> tuple[str, ...]:
    """Empty the book of every market of an account; returns in words what could not be verified."""
    for name in processes.quoters:
        async with rpc.connect(processes.addressing.quoters[name].target) as channel:
            stub = quoter_pb2_grpc.QuoterServiceStub(channel)
            try:
                await stub.Drain(quoter_pb2.DrainRequest(drain_id=drain_id), timeout=rpc.CONFIG_DEADLINE_S)
            except aio.AioRpcError as error:
                # Closing the market at risk silences it as well.
                tell(Note(f"quoter/{name} does not drain: {error.details()}", Severity.WARNING))
    async with rpc.connect(processes.addressing.risk.target) as channel:
        problems = await asyncio.gather(
            *(
                _close_market(risk_pb2_grpc.RiskServiceStub(channel), maker.spec.market.symbol, drain_id, tell)
                for maker in processes.plan.makers
            )
        )
    return tuple(problem for problem in problems if problem)


async def _close_market(risk: Any, market: str, drain_id: str, tell: Tell) -> str:
    deadline_s = time.monotonic() + CLOSE_DEADLINE_S
    trouble = ""
    while (left_s := deadline_s - time.monotonic()) > 0:
        request = risk_pb2.CloseMarketRequest(market=market, drain_id=drain_id)
        try:
            answer = await risk.CloseMarket(request, timeout=min(left_s, _CLOSE_CALL_S))
        except aio.AioRpcError as error:
            found = f"risk does not close it ({error.details()})"
        else:
            if answer.verified_empty:
                tell(Note(f"{market}: book verified empty"))
                return ""
            found = f"{answer.remaining} orders still in doubt"
        if found != trouble:
            tell(Note(f"{market}: {found}, trying again", Severity.WARNING))
        trouble = found
        await asyncio.sleep(_RETRY_S)
    return f"{market}: the book was not verified empty within {CLOSE_DEADLINE_S:.0f} s: {trouble}"


async def compare_books(
    processes: AccountProcesses, since_ms: int
) -> tuple[Books | None, Books | None, tuple[str, ...]]:
    """Read both sets of books until they agree or the deadline is over; returns them and the differences."""
    since_ms = 0 if processes.plan.is_simulated else since_ms
    deadline_s = time.monotonic() + AGREE_DEADLINE_S
    ledger: Books | None = None
    exchange: Books | None = None
    addressing = processes.addressing
    markets = [maker.spec.market.symbol for maker in processes.plan.makers]
    async with rpc.connect(addressing.order_state.target) as channel, aiohttp.ClientSession() as session:
        reader = ExchangeReader(session, addressing.api_url, processes.address)
        while True:
            try:
                own_only = not processes.plan.is_simulated
                exchange = await reader.read(since_ms, markets, own_only=own_only)
                ledger = await read_ledger(channel, since_ms, markets, own_only=own_only)
                found = differences(ledger, exchange)
            except BooksUnreadableError as error:
                found = (str(error),)
            if not found or time.monotonic() > deadline_s:
                return ledger, exchange, found
            await asyncio.sleep(_RETRY_S)


async def _tick_to_order(gateway_target: str) -> gateway_pb2.Quantiles | None:
    async with rpc.connect(gateway_target) as channel:
        stub = gateway_pb2_grpc.ReferenceServiceStub(channel)
        try:
            status = await stub.GetStatus(gateway_pb2.GetStatusRequest(), timeout=rpc.CONFIG_DEADLINE_S)
        except aio.AioRpcError:
            return None
        quantiles: gateway_pb2.Quantiles = status.tick_to_order
        return quantiles


async def order_totals(order_state_target: str) -> orderstate_pb2.GetSummaryResponse | None:
    """Order-state's totals; None when it does not answer."""
    async with rpc.connect(order_state_target) as channel:
        stub = orderstate_pb2_grpc.OrdersServiceStub(channel)
        try:
            response: orderstate_pb2.GetSummaryResponse = await stub.GetSummary(
                orderstate_pb2.GetSummaryRequest(), timeout=rpc.READ_DEADLINE_S
            )
        except aio.AioRpcError:
            return None
        return response


async def stop_account(processes: AccountProcesses, drain_id: str, since_ms: int, tell: Tell) -> AccountResult:
    """Stop one account in order, up to its quoters, and compare its books; the account's services still run."""
    tick_to_order = await _tick_to_order(processes.addressing.gateway.target)
    problems = await close_markets(processes, drain_id, tell)
    await asyncio.gather(*(quoter.stop() for quoter in processes.quoters.values()))
    ledger, exchange, found = await compare_books(processes, since_ms)
    totals = await order_totals(processes.addressing.order_state.target)
    return AccountResult(ledger, exchange, totals, tick_to_order, (*problems, *found))


async def last_totals(processes: AccountProcesses) -> AccountResult:
    """What an account's own services can still tell when its exchange is gone."""
    addressing = processes.addressing
    return AccountResult(
        ledger=None,
        exchange=None,
        summary=await order_totals(addressing.order_state.target),
        tick_to_order=await _tick_to_order(addressing.gateway.target),
        problems=(),
    )


def memory_mb(system: System) -> dict[str, float]:
    """Resident memory of every process that runs."""
    found = {child.spec.name: rss_mb(child.pid) for child in system.children if child.pid is not None}
    return {name: rss for name, rss in found.items() if rss is not None}


async def stop_everything(system: System, deadline_s: float | None = None) -> None:
    """End all processes, quoters first, then risk, order-state, gateway, store and venue.

    `deadline_s` replaces every process's own time to end.
    """
    quoters = [quoter for processes in system.accounts for quoter in processes.quoters.values()]
    await asyncio.gather(*(quoter.stop(deadline_s) for quoter in quoters))
    for processes in system.accounts:
        for child in (processes.risk, processes.order_state, processes.gateway):
            await child.stop(deadline_s)
    # After a failed start there may be more than the accounts know of; store and venue were started first.
    for child in reversed(system.children):
        await child.stop(deadline_s)


def summarise(
    accounts: Sequence[tuple[AccountProcesses, AccountResult]],
    views: Mapping[str, MarketView],
    *,
    duration_s: float,
    memory: Mapping[str, float],
    problems: Sequence[str] = (),
) -> Summary:
    """The summary of a run from how its accounts ended; `views` by name of the MarketMaker, as last seen.

    `problems` are those that belong to no account.
    """
    markets: list[MarketResult] = []
    for processes, result in accounts:
        totals = {market.market: market for market in result.summary.markets} if result.summary is not None else {}
        for maker in processes.plan.makers:
            market = maker.spec.market.symbol
            now = totals.get(market, orderstate_pb2.MarketSummary())
            before = processes.baseline.get(market, orderstate_pb2.MarketSummary())
            view = views[maker.metadata.name]
            markets.append(
                MarketResult(
                    symbol=market,
                    quotes_placed=now.placed - before.placed,
                    quotes_cancelled=now.cancelled - before.cancelled,
                    fills=now.standing.position.fills - before.standing.position.fills,
                    position_e8=now.standing.position.sz_e8,
                    venue_position_e8=None if result.exchange is None else result.exchange.positions_e8.get(market, 0),
                    pnl_quote_e8=view.pnl_quote_e8,
                    two_sided_ratio=view.two_sided_ratio,
                )
            )
    results = [result for _, result in accounts]
    latencies = [result.tick_to_order for result in results if result.tick_to_order and result.tick_to_order.count]
    return Summary(
        duration_s=duration_s,
        markets=tuple(markets),
        open_orders_at_exit=None
        if any(result.exchange is None for result in results)
        else sum(len(result.exchange.open_orders) for result in results if result.exchange is not None),
        unresolved_orders=None
        if any(result.summary is None for result in results)
        else sum(result.summary.unresolved_orders for result in results if result.summary is not None),
        # The slowest account speaks for all.
        tick_to_order_p50_ms=max((round(q.p50_us / 1000, 3) for q in latencies), default=None),
        tick_to_order_p99_ms=max((round(q.p99_us / 1000, 3) for q in latencies), default=None),
        rss_mb=memory,
        integrity=(*problems, *(problem for result in results for problem in result.problems)),
    )
