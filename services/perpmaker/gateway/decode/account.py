"""Account frames and reads to contract messages. Pure: sizes and prices exact, reported money cut at 1e-8."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from perpmaker.common.decimals import NotADecimalError, parse_e8, parse_rounded_e8
from perpmaker.gateway.decode.account_wire import (
    ActiveAssetDataWire,
    ClearinghouseWire,
    FillWire,
    FundingWire,
    LedgerEntryWire,
    LiquidationWire,
    OrderUpdateWire,
    OrderWireInfo,
    PositionWire,
)
from perpmaker.gateway.decode.market import side_of
from perpmaker.proto.common.v1 import common_pb2 as common
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb


def order_update_message(wire: OrderUpdateWire) -> pb.OrderUpdate:
    """Status change of an order; the status keeps the exchange's spelling."""
    order = wire.order
    return pb.OrderUpdate(
        oid=order.oid,
        cloid=(order.cloid or "").lower(),
        side=side_of(order.side),
        px_e8=parse_e8(order.limit_px),
        remaining_e8=parse_e8(order.sz),
        orig_sz_e8=parse_e8(order.orig_sz),
        status=wire.status,
        status_time_ms=wire.status_timestamp,
    )


def open_order_message(order: OrderWireInfo) -> pb.OpenOrder:
    """Order resting at the exchange."""
    return pb.OpenOrder(
        market=order.coin,
        oid=order.oid,
        cloid=(order.cloid or "").lower(),
        side=side_of(order.side),
        px_e8=parse_e8(order.limit_px),
        remaining_e8=parse_e8(order.sz),
        orig_sz_e8=parse_e8(order.orig_sz),
        placed_time_ms=order.timestamp,
        reduce_only=order.reduce_only,
    )


def fill_message(wire: FillWire) -> common.Fill:
    """Execution of the account."""
    return common.Fill(
        market=wire.coin,
        tid=wire.tid,
        oid=wire.oid,
        cloid=(wire.cloid or "").lower(),
        side=side_of(wire.side),
        px_e8=parse_e8(wire.px),
        sz_e8=parse_e8(wire.sz),
        fee_quote_e8=parse_rounded_e8(wire.fee),
        fee_token=wire.fee_token,
        exchange_time_ms=wire.time,
        taker=wire.crossed,
        start_position_e8=parse_e8(wire.start_position),
        liquidation=wire.liquidation is not None,
    )


def _position(wire: PositionWire) -> pb.ExchangePosition:
    return pb.ExchangePosition(
        market=wire.coin,
        sz_e8=parse_e8(wire.szi),
        entry_px_e8=parse_rounded_e8(wire.entry_px or "0"),
        unrealized_quote_e8=parse_rounded_e8(wire.unrealized_pnl),
        leverage=wire.leverage.value,
        liquidation_px_e8=parse_rounded_e8(wire.liquidation_px or "0"),
    )


def account_message(states: Iterable[ClearinghouseWire]) -> pb.AccountState:
    """Equity, margin and positions over the dexes in use; the time is the oldest of them."""
    merged = pb.AccountState()
    for state in states:
        merged.equity_quote_e8 += parse_rounded_e8(state.margin_summary.account_value)
        merged.margin_used_quote_e8 += parse_rounded_e8(state.margin_summary.total_margin_used)
        merged.withdrawable_quote_e8 += parse_rounded_e8(state.withdrawable)
        merged.positions.extend(_position(entry.position) for entry in state.asset_positions)
        merged.exchange_time_ms = min(merged.exchange_time_ms or state.time, state.time)
    return merged


def trade_limits_message(wire: ActiveAssetDataWire) -> pb.TradeLimits:
    """What the exchange lets the account trade in a market."""
    buy, sell = wire.max_trade_szs
    return pb.TradeLimits(
        max_buy_e8=parse_rounded_e8(buy),
        max_sell_e8=parse_rounded_e8(sell),
        leverage=wire.leverage.value,
        cross=wire.leverage.type == "cross",
    )


def funding_message(wire: FundingWire) -> pb.Funding:
    """Funding payment of one market."""
    return pb.Funding(
        amount_quote_e8=parse_rounded_e8(wire.usdc),
        exchange_time_ms=wire.time,
        position_e8=parse_e8(wire.szi),
        rate_e8=parse_rounded_e8(wire.funding_rate),
    )


_INFLOWS = frozenset({"deposit", "vaultDistribution", "vaultWithdraw", "rewardsClaim"})
_OUTFLOWS = frozenset({"withdraw", "vaultCreate", "vaultDeposit"})


def ledger_delta_message(wire: LedgerEntryWire, own_address: str) -> pb.LedgerDelta:
    """Deposit, withdrawal or transfer; positive into the perpetual account, 0 where the direction is not known.

    `own_address` is lower case: transfers name their destination.
    """
    kind = str(wire.delta.get("type", ""))
    amount = _amount(wire.delta)
    return pb.LedgerDelta(
        kind=kind, amount_quote_e8=amount * _direction(kind, wire.delta, own_address), exchange_time_ms=wire.time
    )


def _amount(delta: dict[str, Any]) -> int:
    for key in ("usdc", "usdcValue", "amount"):
        text = delta.get(key)
        if isinstance(text, str):
            try:
                return parse_rounded_e8(text)
            except NotADecimalError:
                continue
    return 0


def _direction(kind: str, delta: dict[str, Any], own_address: str) -> int:
    if kind in _INFLOWS:
        return 1
    if kind in _OUTFLOWS:
        return -1
    if kind == "accountClassTransfer":
        return 1 if delta.get("toPerp") else -1
    destination = delta.get("destination")
    if isinstance(destination, str):
        return 1 if destination.lower() == own_address else -1
    return 0


def liquidation_message(wire: LiquidationWire) -> pb.Liquidation:
    """Liquidation of this account."""
    return pb.Liquidation(notional_quote_e8=parse_rounded_e8(wire.liquidated_ntl_pos))
