"""The control port: `POST /` with `{"op": NAME, ...}`, loopback only, no part of the exchange.

Every answer is HTTP 200 with `{"ok": true, "result": ...}`, or `{"ok": false, "error": TEXT}` when the operation was
refused. Every operation is a struct; its JSON schema is what `help` shows.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal, assert_never, get_args

import msgspec
from aiohttp import web
from msgspec import Meta

from perpmaker.venue.core import Venue
from perpmaker.venue.engine import margin
from perpmaker.venue.engine.actions import PlaceOrders
from perpmaker.venue.engine.execute import Answer, Err, Ok
from perpmaker.venue.engine.halts import delist
from perpmaker.venue.engine.invariants import state_hash, violations
from perpmaker.venue.engine.markets import Market
from perpmaker.venue.engine.orders import NewOrder, Tif
from perpmaker.venue.flow.parameters import EPISODES
from perpmaker.venue.flow.participants import HouseParticipants, house_address
from perpmaker.venue.shell.faults import Faults
from perpmaker.venue.shell.sockets import ABNORMAL, Sockets
from perpmaker.venue.units import E8, shown_e8
from perpmaker.venue.views import markets as market_views
from perpmaker.venue.views import orders as order_views
from perpmaker.venue.wire.decode import address_of

Amount = str | int | float
Channel = Literal[
    "ack",
    "orderUpdates",
    "userFills",
    "user",
    "openOrders",
    "clearinghouseState",
    "activeAssetData",
    "userFundings",
    "userNonFundingLedgerUpdates",
    "l2Book",
    "bbo",
    "trades",
    "allMids",
    "activeAssetCtx",
]


class _Op(msgspec.Struct, tag_field="op", forbid_unknown_fields=True):
    pass


class Fund(_Op, tag="fund"):
    """Deposit USDC for an address, creating its account if needed."""

    address: Annotated[str, Meta(description="account address")]
    usdc: Annotated[Amount, Meta(description="amount in USDC, more than 0")]


class Disconnect(_Op, tag="disconnect"):
    """Cut WebSocket connections: those of one address, or all of them."""

    address: Annotated[str | None, Meta(description="cut connections that listen or act for it")] = None
    all: Annotated[bool, Meta(description="cut every connection")] = False
    code: Annotated[int, Meta(description="close code; 1006 cuts without a close frame")] = ABNORMAL
    for_ms: Annotated[int, Meta(description="refuse every new connection for so long", ge=0)] = 0
    rest: Annotated[bool, Meta(description="with for_ms: cut REST requests too")] = False


class DropAfterCommit(_Op, tag="drop_after_commit"):
    """Execute the next actions but never answer them."""

    n: Annotated[int, Meta(description="how many actions", ge=1)] = 1
    address: Annotated[str | None, Meta(description="only actions of this master or agent")] = None


class DropBeforeCommit(_Op, tag="drop_before_commit"):
    """Lose the next actions: neither executed nor answered."""

    n: Annotated[int, Meta(description="how many actions", ge=1)] = 1
    address: Annotated[str | None, Meta(description="only actions of this master or agent")] = None


class Delay(_Op, tag="delay"):
    """Hold back a channel's messages from now on; 0 ends it."""

    channel: Annotated[Channel, Meta(description="a stream's channel, or ack for answers to actions")]
    ms: Annotated[int, Meta(description="milliseconds", ge=0)]


class TradeOp(_Op, tag="trade"):
    """Send a market order of a house account; answers once it is executed."""

    coin: Annotated[str, Meta(description="market")]
    side: Annotated[Literal["B", "A"], Meta(description="B buys, A sells")]
    sz: Annotated[Amount, Meta(description="size in units of the coin")]


class SetMark(_Op, tag="set_mark"):
    """Pin mark and oracle price of a market; null lets them follow the market again."""

    coin: Annotated[str, Meta(description="market")]
    px: Annotated[Amount | None, Meta(description="price, or null to release")]


class Episode(_Op, tag="episode"):
    """Let a trend or a liquidation cascade begin in a simulated market."""

    coin: Annotated[str, Meta(description="market")]
    name: Annotated[str, Meta(description=f"one of {', '.join(EPISODES)}")]
    strength: Annotated[float, Meta(description="1 is an ordinary bad minute", gt=0, le=20)] = 1.0


class Delist(_Op, tag="delist"):
    """Delist a market for good: cancel its orders, settle its positions at mark, refuse new orders."""

    coin: Annotated[str, Meta(description="market")]


class DumpState(_Op, tag="dump_state"):
    """Everything: accounts, positions, open orders, books, broken invariants, a digest of it all."""


class Help(_Op, tag="help"):
    """This list."""


Operation = (
    Fund
    | Disconnect
    | DropAfterCommit
    | DropBeforeCommit
    | Delay
    | TradeOp
    | SetMark
    | Episode
    | Delist
    | DumpState
    | Help
)
_DECODER: msgspec.json.Decoder[Operation] = msgspec.json.Decoder(Operation)


class BadOperationError(Exception):
    """The operation makes no sense; the text says why."""


def describe_operations() -> dict[str, Any]:
    """Every operation: what it does, and the JSON schema of its request."""
    return {str(kind.__struct_config__.tag): _describe(kind) for kind in get_args(Operation)}


def _describe(kind: type[msgspec.Struct]) -> dict[str, Any]:
    (schema,) = msgspec.json.schema_components([kind], ref_template="{name}")[1].values()
    return {"does": schema.pop("description"), "schema": schema}


@dataclass(slots=True)
class Control:
    """Runs operations on one venue."""

    venue: Venue
    faults: Faults
    sockets: Sockets

    async def run(self, op: Operation) -> dict[str, Any]:
        """Do it. Raises `BadOperationError`."""
        match op:
            case Fund(address, usdc):
                account = self.venue.state.deposit(_address(address), _positive_e8(usdc))
                return {"rawUsd": shown_e8(account.raw_e8)}
            case Disconnect():
                return await self._disconnect(op)
            case DropAfterCommit(n, address):
                self.faults.drop_after_commit(n, address and _address(address))
                return {}
            case DropBeforeCommit(n, address):
                self.faults.drop_before_commit(n, address and _address(address))
                return {}
            case Delay(channel, ms):
                self.faults.delays_ms[channel] = ms
                return {"delays_ms": {name: ms for name, ms in self.faults.delays_ms.items() if ms}}
            case TradeOp():
                return await self._trade(op)
            case Episode(coin, name, strength):
                return self._episode(self._market(coin), name, strength)
            case SetMark(coin, px):
                return self._set_mark(self._market(coin), px)
            case Delist(coin):
                delist(self.venue.state, self._market(coin))
                return {"delisted": sorted(self.venue.state.delisted)}
            case DumpState():
                return dump_state(self.venue)
            case Help():
                return {"ops": describe_operations()}
            case _:
                assert_never(op)

    async def _disconnect(self, op: Disconnect) -> dict[str, Any]:
        if (op.address is None) != op.all:
            raise BadOperationError("give either an address or all: true")
        if op.for_ms:
            self.faults.close_for(op.for_ms, rest=op.rest)
        address = None if op.address is None else _address(op.address)
        return {"disconnected": await self.sockets.disconnect(address, op.code)}

    async def _trade(self, op: TradeOp) -> dict[str, Any]:
        market = self._market(op.coin)
        sz_e8 = _positive_e8(op.sz)
        if not market.is_on_lot(sz_e8):
            raise BadOperationError(f"sz must be a multiple of {shown_e8(market.lot_e8)}")
        is_buy, mark = op.side == "B", self.venue.state.mark_px_e8(market.asset)
        px_e8 = market.round_px(mark * 10 if is_buy else mark // 10, up=is_buy)
        order = NewOrder(market.asset, is_buy, px_e8, sz_e8, Tif.IOC)
        done: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.venue.submit_house(house_address("control"), PlaceOrders((order,)), done.set_result)
        answer = await done
        match answer:
            case Ok(response):
                return {"result": response["data"]["statuses"][0]}
            case Err(text):
                raise BadOperationError(text)
            case _:
                assert_never(answer)

    def _episode(self, market: Market, name: str, strength: float) -> dict[str, Any]:
        house = self.venue.participants
        if not isinstance(house, HouseParticipants):
            raise BadOperationError("this venue has no simulated participants")
        try:
            house.start_episode(market.asset, name, strength)
        except ValueError as error:
            raise BadOperationError(str(error)) from None
        return {"coin": market.coin, "episode": name}

    def _set_mark(self, market: Market, px: Amount | None) -> dict[str, Any]:
        marks = self.venue.state.marks[market.asset]
        if px is None:
            marks.unpin()
            self.venue.publish_mark(market)
        else:
            marks.pin(_positive_e8(px))
            self.venue.state.events.marks_moved = True
        return {"coin": market.coin, "markPx": shown_e8(marks.mark_px_e8), "pinned": marks.pinned}

    def _market(self, coin: str) -> Market:
        market = self.venue.state.market_of(coin)
        if market is None:
            listed = ", ".join(m.coin for m in self.venue.state.markets)
            raise BadOperationError(f"unknown coin {coin!r}; listed: {listed}")
        return market


def dump_state(venue: Venue) -> dict[str, Any]:
    """The whole venue as JSON: what a test compares a client's books with."""
    state = venue.state
    return {
        "height": state.height,
        "time": state.now_ms,
        "violations": violations(state),
        "stateHash": state_hash(state),
        "deposits": shown_e8(state.pool.deposits_e8),
        "fees": shown_e8(state.pool.fees_e8),
        "fundingResidue": shown_e8(state.pool.funding_residue_e8),
        "books": {m.coin: market_views.l2_book(state, m) for m in state.markets},
        "marks": {m.coin: shown_e8(state.mark_px_e8(m.asset)) for m in state.markets},
        "accounts": {
            address: {
                "isHouse": account.is_house,
                "rawUsd": shown_e8(account.raw_e8),
                "accountValue": shown_e8(margin.equity_e8(state, account)),
                "positions": {
                    state.market(asset).coin: shown_e8(position.szi_e8)
                    for asset, position in account.positions.items()
                    if position.szi_e8
                },
                "openOrders": order_views.open_orders(state, account),
                "fills": len(account.fills),
                "scheduledCancel": account.cancel_at_ms,
                "agents": [agent.address for agent in venue.admission.agents.of(address)],
            }
            for address, account in state.accounts.items()
        },
    }


def _address(text: str) -> str:
    try:
        return address_of(text)
    except ValueError as error:
        raise BadOperationError(str(error)) from None


def _positive_e8(amount: Amount) -> int:
    try:
        scaled = Decimal(str(amount)) * E8
    except InvalidOperation:
        raise BadOperationError(f"not a number: {amount!r}") from None
    if not scaled.is_finite() or scaled <= 0 or scaled != int(scaled):
        raise BadOperationError(f"must be positive with at most 8 decimals: {amount!r}")
    return int(scaled)


def control_app(control: Control) -> web.Application:
    """The HTTP side of the control port."""

    async def handle(request: web.Request) -> web.Response:
        try:
            result = await control.run(_DECODER.decode(await request.read()))
        except (msgspec.DecodeError, BadOperationError) as error:
            return _json({"ok": False, "error": str(error)})
        return _json({"ok": True, "result": result})

    app = web.Application()
    app.router.add_post("/", handle)
    return app


def _json(value: dict[str, Any]) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")
