"""Operations that change the exchange itself, each a function of the venue alone so that a journal can repeat it."""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import Annotated, Any, Literal, assert_never

from msgspec import Meta

from perpmaker.venue.core import Venue
from perpmaker.venue.engine import halts
from perpmaker.venue.engine.liquidation import liquidate
from perpmaker.venue.engine.markets import Market, capped
from perpmaker.venue.engine.orders import Status
from perpmaker.venue.engine.reduce_only import trim_to
from perpmaker.venue.engine.resting import drop
from perpmaker.venue.faults.operation import (
    Address,
    Amount,
    AtLeastOne,
    BadOperationError,
    Coin,
    EngineOp,
    account_named,
    market_named,
    parse_address,
    positive_e8,
)
from perpmaker.venue.faults.standing_ops import AnyStandingOp, apply_standing
from perpmaker.venue.flow.parameters import EPISODES
from perpmaker.venue.flow.participants import HouseParticipants
from perpmaker.venue.units import shown_e8

EngineCancel = Literal[
    "canceled",
    "marginCanceled",
    "vaultWithdrawalCanceled",
    "openInterestCapCanceled",
    "selfTradeCanceled",
    "reduceOnlyCanceled",
    "siblingFilledCanceled",
    "delistedCanceled",
    "liquidatedCanceled",
    "scheduledCancel",
    "internalCancel",
    "outcomeSettledCanceled",
]


class Fund(EngineOp, tag="fund"):
    """Deposit USDC for an address, creating its account if needed."""

    address: Address
    usdc: Annotated[Amount, Meta(description="amount in USDC, more than 0")]


class SetMark(EngineOp, tag="set_mark"):
    """Pin mark and oracle price of a market; null lets them follow the market again."""

    coin: Coin
    px: Annotated[Amount | None, Meta(description="price, or null to release")]


class Episode(EngineOp, tag="episode"):
    """Let a trend or a liquidation cascade begin in a simulated market."""

    coin: Coin
    name: Annotated[str, Meta(description=f"one of {', '.join(EPISODES)}")]
    strength: Annotated[float, Meta(description="1 is an ordinary bad minute", gt=0, le=20)] = 1.0


class Delist(EngineOp, tag="delist"):
    """Delist a market for good: cancel its orders, settle its positions at mark, refuse new orders."""

    coin: Coin


class Halt(EngineOp, tag="halt"):
    """Stop a market until it is resumed."""

    coin: Coin


class Resume(EngineOp, tag="resume"):
    """Let a halted market trade again."""

    coin: Coin


class Liquidate(EngineOp, tag="liquidate"):
    """Liquidate all an account holds, whatever its margin says."""

    address: Address


class CancelOrders(EngineOp, tag="cancel_orders"):
    """Let the exchange cancel open orders of an account by itself, each with this status."""

    address: Address
    status: Annotated[EngineCancel, Meta(description="status the orders end in")]
    coin: Annotated[str | None, Meta(description="only this market; null for all")] = None
    n: Annotated[AtLeastOne | None, Meta(description="at most so many, oldest first; null for all")] = None
    probability: Annotated[float, Meta(description="share of the orders that are cancelled", gt=0, le=1)] = 1.0


class TrimReduceOnly(EngineOp, tag="trim_reduce_only"):
    """Bring resting reduce-only orders of one market and side down to a size, oldest first giving way."""

    address: Address
    coin: Coin
    side: Annotated[Literal["B", "A"], Meta(description="B for buys, A for sells")]
    sz: Annotated[Amount, Meta(description="what may remain, in units of the coin; 0 cancels all")]


class CutLeverage(EngineOp, tag="cut_leverage"):
    """Set an account's leverage for a market, whatever its margin then says."""

    address: Address
    coin: Coin
    leverage: Annotated[int, Meta(description="new leverage", ge=1)]


class CapLeverage(EngineOp, tag="cap_leverage"):
    """List a market with another largest leverage, the same for positions of any value."""

    coin: Coin
    leverage: Annotated[int, Meta(description="largest leverage from now on", ge=1, lt=50)]


class RefuseOrders(EngineOp, tag="refuse_orders"):
    """Refuse the next orders of an account that pass the static checks, with any status that is a rejection."""

    address: Address
    status: Annotated[str, Meta(description="status the orders end in, such as oracleRejected")]
    n: Annotated[int, Meta(description="how many orders", ge=1)] = 1


class CapOpenInterest(EngineOp, tag="cap_open_interest"):
    """Cap a market's open interest."""

    coin: Coin
    usd: Annotated[Amount | None, Meta(description="most value at mark, counted once; null for no cap")]


AnyEngineOp = (
    AnyStandingOp
    | RefuseOrders
    | CapOpenInterest
    | Fund
    | SetMark
    | Episode
    | Delist
    | Halt
    | Resume
    | Liquidate
    | CancelOrders
    | TrimReduceOnly
    | CutLeverage
    | CapLeverage
)


def apply(venue: Venue, op: AnyEngineOp) -> dict[str, Any]:
    """Do it between two blocks. Raises `BadOperationError`, and then nothing has changed."""
    if isinstance(op, AnyStandingOp):
        return apply_standing(venue, op)
    match op:
        case Fund(address, usdc):
            credited = venue.state.deposit(parse_address(address), positive_e8(usdc))
            return {"rawUsd": shown_e8(credited.raw_e8)}
        case SetMark(coin, px):
            return _set_mark(venue, market_named(venue, coin), px)
        case Delist(coin):
            halts.delist(venue.state, market_named(venue, coin))
            return {"delisted": sorted(venue.state.delisted)}
        case Halt(coin):
            halts.halt(venue.state, market_named(venue, coin))
            return {"halted": coin}
        case Resume(coin):
            return _resume(venue, market_named(venue, coin))
        case Liquidate(address):
            account = account_named(venue, address)
            liquidate(venue.state, account)
            return {"positions": sum(1 for position in account.positions.values() if position.szi_e8)}
        case Episode(coin, name, strength):
            return _episode(venue, market_named(venue, coin), name, strength)
        case CancelOrders():
            return _cancel_orders(venue, op)
        case TrimReduceOnly():
            return _trim_reduce_only(venue, op)
        case CutLeverage(address, coin, leverage):
            account_named(venue, address).leverage[market_named(venue, coin).asset] = leverage
            return {"leverage": leverage}
        case CapLeverage(coin, leverage):
            venue.state.list_again(capped(market_named(venue, coin), leverage))
            return {"maxLeverage": leverage}
        case RefuseOrders(address, status, n):
            return _refuse_orders(venue, parse_address(address), status, n)
        case CapOpenInterest(coin, usd):
            asset = market_named(venue, coin).asset
            if usd is None:
                venue.state.gates.open_interest_caps_e8.pop(asset, None)
            else:
                venue.state.gates.open_interest_caps_e8[asset] = positive_e8(usd)
            return {"coin": coin, "cap": usd}
        case _:
            assert_never(op)


def _refuse_orders(venue: Venue, address: str, status: str, count: int) -> dict[str, Any]:
    try:
        venue.state.gates.refuse_next(address, Status(status), count)
    except ValueError as error:
        raise BadOperationError(str(error)) from None
    return {"refused": count}


def _set_mark(venue: Venue, market: Market, px: Amount | None) -> dict[str, Any]:
    marks = venue.state.marks[market.asset]
    if px is None:
        marks.unpin()
        venue.publish_mark(market)
    else:
        marks.pin(positive_e8(px))
        venue.state.events.marks_moved = True
    return {"coin": market.coin, "markPx": shown_e8(marks.mark_px_e8), "pinned": marks.pinned}


def _resume(venue: Venue, market: Market) -> dict[str, Any]:
    try:
        halts.resume(venue.state, market)
    except ValueError as error:
        raise BadOperationError(str(error)) from None
    return {"resumed": market.coin}


def _episode(venue: Venue, market: Market, name: str, strength: float) -> dict[str, Any]:
    house = venue.participants
    if not isinstance(house, HouseParticipants):
        raise BadOperationError("this venue has no simulated participants")
    try:
        house.start_episode(market.asset, name, strength)
    except ValueError as error:
        raise BadOperationError(str(error)) from None
    return {"coin": market.coin, "episode": name}


def _cancel_orders(venue: Venue, op: CancelOrders) -> dict[str, Any]:
    account = account_named(venue, op.address)
    if op.status not in {status.value for status in Status}:
        raise BadOperationError(f"this venue gives no order the status {op.status}")
    market = None if op.coin is None else market_named(venue, op.coin)
    rng = Random(f"{venue.state.seed}/cancel_orders/{venue.state.height}/{venue.state.tx_count}")
    fit = [o for o in account.open_orders.values() if market is None or o.asset == market.asset]
    chosen = [o for o in fit if op.probability == 1 or rng.random() < op.probability][: op.n]
    for order in chosen:
        venue.state.begin_transaction()
        drop(venue.state, order, Status(op.status))
    return {"canceled": [order.oid for order in chosen]}


def _trim_reduce_only(venue: Venue, op: TrimReduceOnly) -> dict[str, Any]:
    account, market = account_named(venue, op.address), market_named(venue, op.coin)
    allowed = 0 if Decimal(str(op.sz)) == 0 else positive_e8(op.sz)
    if not market.is_on_lot(allowed):
        raise BadOperationError(f"sz must be a multiple of {shown_e8(market.lot_e8)}")

    def side() -> list[Any]:
        is_buy = op.side == "B"
        orders = account.open_orders.values()
        return [o for o in orders if o.reduce_only and o.asset == market.asset and o.is_buy == is_buy]

    venue.state.begin_transaction()
    trim_to(venue.state, side(), allowed)
    return {"left": {str(order.oid): shown_e8(order.sz_e8) for order in side()}}
