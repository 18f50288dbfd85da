"""Closing positions whose owner no longer has maintenance margin at the mark.

First the book: market orders for everything, or for a part of a large position. When equity is below two thirds of
maintenance margin the liquidator takes positions and margin over at mark; when it is below zero, the winners of the
other side are closed first. A cross balance is judged per dex, an isolated position by itself.
Source: Hyperliquid documentation, "Liquidations" and "Auto-deleveraging".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from perpmaker.venue.engine import margin
from perpmaker.venue.engine.accounts import Account, Liquidation
from perpmaker.venue.engine.closing import exchange_order, file, hand_over
from perpmaker.venue.engine.deleveraging import deleverage
from perpmaker.venue.engine.families import settle_families
from perpmaker.venue.engine.listings import Dex
from perpmaker.venue.engine.markets import Market
from perpmaker.venue.engine.matching import match
from perpmaker.venue.engine.orders import Order, Status
from perpmaker.venue.engine.reduce_only import trim_reduce_only
from perpmaker.venue.engine.resting import cancel_all
from perpmaker.venue.engine.state import LiquidationNotice, State


@dataclass(frozen=True, slots=True)
class _Risk:
    """What is judged together: all cross positions of a dex, or one isolated position."""

    account: Account
    dex: Dex
    markets: tuple[Market, ...]
    is_isolated: bool

    def equity_e8(self, state: State) -> int:
        if self.is_isolated:
            asset = self.markets[0].asset
            return margin.isolated_equity_e8(state, self.account, asset) if self.account.szi_e8(asset) else 0
        return margin.cross_equity_e8(state, self.account, self.dex.index)

    def needed_e8(self, state: State) -> int:
        return sum(margin.maintenance_of_e8(state, self.account, market) for market in self.markets)

    def value_e8(self, state: State) -> int:
        return sum(abs(margin.signed_value_e8(state, self.account, market.asset)) for market in self.markets)


def liquidator_address(dex: Dex) -> str:
    """The account that takes over what the book did not take: one for each dex."""
    return f"0x4{dex.index:039x}"


def liquidate_all(state: State) -> None:
    """Look at every account once. House accounts are not margined and never liquidated."""
    if not state.rules.liquidation.is_on:
        return
    for account in list(state.accounts.values()):
        if account.is_house or not any(position.szi_e8 for position in account.positions.values()):
            continue
        for risk in _risks(state, account):
            if risk.equity_e8(state) < risk.needed_e8(state):
                _liquidate(state, risk)
    settle_families(state)


def liquidate(state: State, account: Account) -> None:
    """Liquidate all an account holds, whatever its margin says: nothing of it is left."""
    for risk in _risks(state, account):
        _liquidate(state, risk, all_of_it=True)
    settle_families(state)


def _risks(state: State, account: Account) -> list[_Risk]:
    risks = []
    for dex in state.dexes:
        cross = tuple(margin.held_markets(state, account, dex.index, isolated=False))
        if cross:
            risks.append(_Risk(account, dex, cross, is_isolated=False))
        alone = margin.held_markets(state, account, dex.index, isolated=True)
        risks += [_Risk(account, dex, (market,), is_isolated=True) for market in alone]
    return risks


def _liquidate(state: State, risk: _Risk, *, all_of_it: bool = False) -> None:
    state.begin_transaction()
    _cancel_orders(state, risk)
    value_e8, equity_e8 = risk.value_e8(state), risk.equity_e8(state)
    if not _is_for_backstop(state, risk):
        _send_to_book(state, risk, all_of_it=all_of_it)
    if _is_for_backstop(state, risk) or (all_of_it and risk.needed_e8(state)):
        _take_over(state, risk)
    address = risk.account.address
    notice = LiquidationNotice(state.height, address, liquidator_address(risk.dex), value_e8, equity_e8)
    state.events.liquidations.append(notice)


def _is_for_backstop(state: State, risk: _Risk) -> bool:
    needed = risk.needed_e8(state)
    return needed > 0 and 3 * risk.equity_e8(state) < 2 * needed


def _cancel_orders(state: State, risk: _Risk) -> None:
    for market in risk.markets if risk.is_isolated else state.markets_of_dex(risk.dex.name):
        if risk.is_isolated or not margin.is_isolated(risk.account, market):
            cancel_all(state, risk.account, Status.LIQUIDATED_CANCELED, market.asset)


def _send_to_book(state: State, risk: _Risk, *, all_of_it: bool) -> None:
    """Market orders, largest position first, until margin suffices or, with `all_of_it`, for every position."""
    rules, account, dex = state.rules.liquidation, risk.account, risk.dex.index
    all_at_once = all_of_it or state.now_ms < account.full_liquidation_until_ms.get(dex, 0)
    for market in _largest_first(state, account, risk.markets):
        if not all_of_it and risk.equity_e8(state) >= risk.needed_e8(state):
            return
        szi = account.szi_e8(market.asset)
        size = abs(szi)
        if not all_at_once and abs(margin.signed_value_e8(state, account, market.asset)) > rules.partial_above_e8:
            size = max(market.floor_sz(size * rules.partial_percent // 100), market.lot_e8)
            account.full_liquidation_until_ms[dex] = state.now_ms + rules.full_after_partial_ms
        mark = state.mark_px_e8(market.asset)
        percent = 100 + rules.bound_percent if szi < 0 else 100 - rules.bound_percent
        bound = max(market.round_px(mark * percent // 100, up=szi < 0), 1)
        if state.book(market.asset).against(szi < 0).reaches(bound):
            order = exchange_order(state, account, market, is_buy=szi < 0, px_e8=bound, sz_e8=size)
            _execute(state, account, market, order)


def _largest_first(state: State, account: Account, markets: Sequence[Market]) -> list[Market]:
    return sorted(markets, key=lambda market: -abs(margin.signed_value_e8(state, account, market.asset)))


def _execute(state: State, account: Account, market: Market, order: Order) -> None:
    state.liquidation = _cause(state, account, market, "market")
    executed, _ = match(state, account, market, order)
    state.liquidation = None
    if executed:
        trim_reduce_only(state, account, market.asset)
    file(state, account, order, Status.FILLED if executed else Status.IOC_REJECTED)


def _cause(state: State, account: Account, market: Market, method: Literal["market", "backstop"]) -> Liquidation:
    return Liquidation(account.address, state.mark_px_e8(market.asset), method)


def _take_over(state: State, risk: _Risk) -> None:
    """The liquidator gets positions at mark and all margin; of a bankrupt, only what the winners do not take."""
    account, dex = risk.account, risk.dex.index
    liquidator = state.house_account(liquidator_address(risk.dex))
    is_bankrupt = risk.equity_e8(state) < 0
    cash_before = account.cash_e8.get(dex, 0)
    mode = "Isolated" if risk.is_isolated else "Cross"
    for market in risk.markets:
        state.liquidation = _cause(state, account, market, "backstop")
        if is_bankrupt and account.szi_e8(market.asset):
            deleverage(state, account, market)
        if szi := account.szi_e8(market.asset):
            why = f"Liquidated {mode} {'Long' if szi > 0 else 'Short'}", None
            hand_over(state, account, liquidator, market, abs(szi), state.mark_px_e8(market.asset), why=why)
        state.liquidation = None
    margin_left = account.cash_e8.get(dex, 0) - (cash_before if risk.is_isolated else 0)
    account.credit(dex, -margin_left)
    liquidator.credit(dex, margin_left)
