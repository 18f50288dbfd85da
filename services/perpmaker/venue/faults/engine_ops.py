"""Operations that change the exchange itself, each a function of the venue alone so that a journal can repeat it."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from random import Random
from typing import Annotated, Any, Literal, assert_never

import msgspec
from msgspec import Meta

from perpmaker.venue.core import Venue
from perpmaker.venue.engine import halts
from perpmaker.venue.engine.accounts import Account
from perpmaker.venue.engine.agents import ZERO_ADDRESS
from perpmaker.venue.engine.limits.address import exhaust
from perpmaker.venue.engine.limits.busy import spend
from perpmaker.venue.engine.liquidation import liquidate
from perpmaker.venue.engine.markets import Market, capped
from perpmaker.venue.engine.orders import Status
from perpmaker.venue.engine.reduce_only import trim_to
from perpmaker.venue.engine.resting import drop
from perpmaker.venue.flow.parameters import EPISODES
from perpmaker.venue.flow.participants import HouseParticipants
from perpmaker.venue.units import E8, shown_e8
from perpmaker.venue.wire.decode import address_of

Amount = str | int | float
AtLeastOne = Annotated[int, Meta(ge=1)]
Coin = Annotated[str, Meta(description="market")]
Address = Annotated[str, Meta(description="account address")]
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


class BadOperationError(Exception):
    """The operation makes no sense; the text says why."""


class EngineOp(msgspec.Struct, tag_field="op", forbid_unknown_fields=True):
    """What the operations of this module share."""


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


class ExpireAgent(EngineOp, tag="expire_agent"):
    """Let an agent's approval run out now."""

    address: Annotated[str, Meta(description="address of the agent's key")]


class RemoveAgent(EngineOp, tag="remove_agent"):
    """Withdraw an agent's approval, as its master may do elsewhere."""

    address: Annotated[str, Meta(description="address of the agent's key")]


class ReplaceAgent(EngineOp, tag="replace_agent"):
    """Approve another key under the name of an agent, which is thereby replaced."""

    address: Annotated[str, Meta(description="address of the agent's key")]
    by: Annotated[str, Meta(description="address of the new key")]


class CutLeverage(EngineOp, tag="cut_leverage"):
    """Set an account's leverage for a market, whatever its margin then says."""

    address: Address
    coin: Coin
    leverage: Annotated[int, Meta(description="new leverage", ge=1)]


class CapLeverage(EngineOp, tag="cap_leverage"):
    """List a market with another largest leverage, the same for positions of any value."""

    coin: Coin
    leverage: Annotated[int, Meta(description="largest leverage from now on", ge=1, lt=50)]


class SpendRequests(EngineOp, tag="spend_requests"):
    """Count requests against an address, as if it had sent them: what a spent budget looks like."""

    address: Address
    requests: Annotated[int, Meta(description="how many", ge=1)]


class ExhaustRequests(EngineOp, tag="exhaust_requests"):
    """Use up all requests of an address, those that only cancels may make included."""

    address: Address


class SpendActions(EngineOp, tag="spend_actions"):
    """Count actions of today against an address: what is left of the day of a unified account."""

    address: Address
    actions: Annotated[int, Meta(description="how many", ge=1)]


class FireScheduledCancel(EngineOp, tag="fire_scheduled_cancel"):
    """Let the scheduled cancel of an account be due in the next block."""

    address: Address


class UpgradeGate(EngineOp, tag="upgrade_gate"):
    """Begin or end the time after a network upgrade in which only post-only orders pass."""

    on: Annotated[bool, Meta(description="whether it lasts")] = True


class Congestion(EngineOp, tag="congestion"):
    """Begin or end a busy time, in which an address has its share of the venue and no more."""

    on: Annotated[bool, Meta(description="whether it lasts")] = True


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
    UpgradeGate
    | Congestion
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
    | ExpireAgent
    | RemoveAgent
    | ReplaceAgent
    | CutLeverage
    | CapLeverage
    | SpendRequests
    | ExhaustRequests
    | SpendActions
    | FireScheduledCancel
)


def apply(venue: Venue, op: AnyEngineOp) -> dict[str, Any]:
    """Do it between two blocks. Raises `BadOperationError`, and then nothing has changed."""
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
            account = _account(venue, address)
            liquidate(venue.state, account)
            return {"positions": sum(1 for position in account.positions.values() if position.szi_e8)}
        case Episode(coin, name, strength):
            return _episode(venue, market_named(venue, coin), name, strength)
        case CancelOrders():
            return _cancel_orders(venue, op)
        case TrimReduceOnly():
            return _trim_reduce_only(venue, op)
        case ExpireAgent(address):
            return _expire_agent(venue, parse_address(address))
        case RemoveAgent(address):
            return _reapprove(venue, parse_address(address), ZERO_ADDRESS)
        case ReplaceAgent(address, by):
            return _reapprove(venue, parse_address(address), parse_address(by))
        case CutLeverage(address, coin, leverage):
            _account(venue, address).leverage[market_named(venue, coin).asset] = leverage
            return {"leverage": leverage}
        case CapLeverage(coin, leverage):
            venue.state.list_again(capped(market_named(venue, coin), leverage))
            return {"maxLeverage": leverage}
        case SpendRequests(address, requests):
            account = _account(venue, address)
            account.requests += requests
            return {"nRequestsUsed": account.requests}
        case ExhaustRequests(address):
            account = _account(venue, address)
            exhaust(account, venue.state.rules.limits.address, venue.state.now_ms)
            return {"nRequestsUsed": account.requests}
        case SpendActions(address, actions):
            return {"today": spend(_account(venue, address), actions, venue.state.now_ms)}
        case FireScheduledCancel(address):
            return _fire_scheduled_cancel(venue, _account(venue, address))
        case UpgradeGate(on):
            venue.state.gates.post_only = on
            return {"postOnly": on}
        case Congestion(on):
            venue.state.gates.congested = on
            return {"congested": on}
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


def _fire_scheduled_cancel(venue: Venue, account: Account) -> dict[str, Any]:
    if account.cancel_at_ms is None:
        raise BadOperationError(f"{account.address} has scheduled no cancel")
    account.cancel_at_ms = venue.state.now_ms
    return {"scheduledCancel": account.cancel_at_ms}


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
    account = _account(venue, op.address)
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
    account, market = _account(venue, op.address), market_named(venue, op.coin)
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


def _expire_agent(venue: Venue, address: str) -> dict[str, Any]:
    if not venue.admission.agents.expire(address, venue.state.now_ms):
        raise BadOperationError(f"{address} is no agent")
    return {"expired": address}


def _reapprove(venue: Venue, address: str, by: str) -> dict[str, Any]:
    state, agents = venue.state, venue.admission.agents
    master = agents.master_of(address, state.now_ms)
    if master is None:
        raise BadOperationError(f"{address} is no agent")
    (name,) = (agent.name for agent in agents.of(master) if agent.address == address)
    refusal = agents.approve(master, by, name, state.now_ms)
    if refusal is not None:
        raise BadOperationError(refusal)
    return {"agents": [agent.address for agent in agents.of(master)]}


def market_named(venue: Venue, coin: str) -> Market:
    """The market of that name. Raises `BadOperationError`."""
    market = venue.state.market_of(coin)
    if market is None:
        listed = ", ".join(m.coin for m in venue.state.markets)
        raise BadOperationError(f"unknown coin {coin!r}; listed: {listed}")
    return market


def _account(venue: Venue, address: str) -> Account:
    account = venue.state.accounts.get(parse_address(address))
    if account is None:
        raise BadOperationError(f"{address} has no account")
    return account


def parse_address(text: str) -> str:
    """An address in lower case. Raises `BadOperationError`."""
    try:
        return address_of(text)
    except ValueError as error:
        raise BadOperationError(str(error)) from None


def positive_e8(amount: Amount) -> int:
    """A positive amount, scaled by 1e8. Raises `BadOperationError`."""
    try:
        scaled = Decimal(str(amount)) * E8
    except InvalidOperation:
        raise BadOperationError(f"not a number: {amount!r}") from None
    if not scaled.is_finite() or scaled <= 0 or scaled != int(scaled):
        raise BadOperationError(f"must be positive with at most 8 decimals: {amount!r}")
    return int(scaled)
