"""A gateway at a misbehaving venue, with somebody who believes it and somebody who looks at the venue's own books.

async with at_desk(tmp_path) as desk:
    await desk.throw("drop_after_commit", n=2)
    told = await desk.place(desk.buy(1))

In every block of the venue the belief must allow for at least what can happen there; when the block ends without an
error both must agree in every order and position, and every switch thrown must have struck.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from eth_account import Account as Keys
from tests.hazards.belief import Belief
from tests.hazards.claims import note_thrown
from tests.support.gateway import Heard, TestGateway, Told, running_gateway
from tests.support.venue import TestVenue, VenueClient, running
from tests.support.waiting import until

from perpmaker.common.decimals import parse_e8
from perpmaker.proto.common.v1 import common_pb2 as common
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb
from perpmaker.venue.core import Block
from perpmaker.venue.faults.switches import TABLE, name_of

MARKET = "BTC"
SZ = "0.001"
GTC, IOC = common.TIME_IN_FORCE_GTC, common.TIME_IN_FORCE_IOC
Event = pb.AccountServiceSubscribeResponse
_STRIKING = frozenset(name_of(row.kind) for row in TABLE)
_FAR_NONCE_MS = 3_600_000
"""Nonces of the other hand are this far ahead, where the gateway's never are."""


@dataclass
class Desk:
    """The gateway, the venue, and the two who compare."""

    venue: TestVenue
    gateway: TestGateway
    account: Heard[Event]
    mid: int
    belief: Belief = field(default_factory=Belief)
    understated: list[str] = field(default_factory=list)
    thrown: list[str] = field(default_factory=list)
    _read: list[int] = field(default_factory=lambda: [0, 0])

    @property
    def address(self) -> str:
        """The account, in lower case."""
        return self.gateway.wallet.account.address.lower()

    # --- doing

    async def throw(self, switch: str, **how: Any) -> dict[str, Any]:
        """Make the venue misbehave."""
        note_thrown(switch)
        self.thrown.append(switch)
        return await self.venue.control(switch, **how)

    async def calm(self) -> None:
        """End all that was thrown."""
        await self.venue.control("clear")

    async def trade(self, side: str, sz: str = SZ) -> None:
        """Somebody takes from the book: "B" buys, "A" sells."""
        done = await self.venue.control("trade", coin=MARKET, side=side, sz=sz)
        assert "filled" in done["result"], done

    async def maker(self) -> VenueClient:
        """Somebody else with money."""
        other = self.venue.client(9)
        await self.venue.control("fund", address=other.address, usdc=10_000_000)
        return other

    def other_hand(self) -> VenueClient:
        """The account's own key, used beside the gateway."""
        key = Keys.from_key(self.gateway.wallet.key_file.read_text().strip())
        hand = VenueClient(self.venue.running, self.venue.session, key, self.address)
        hand._nonce = self.venue.core.state.now_ms + _FAR_NONCE_MS
        return hand

    def buy(self, number: int, below: int = 1_000, sz: str = SZ, **changes: Any) -> pb.PlaceOrder:
        """A post-only bid so far below the mid, unless changed."""
        return self.gateway.order(self.gateway.cloid(number), px=str(self.mid - below), sz=sz, **changes)

    def sell(self, number: int, above: int = 1_000, sz: str = SZ, **changes: Any) -> pb.PlaceOrder:
        """A post-only offer so far above the mid, unless changed."""
        return self.gateway.order(self.gateway.cloid(number), px=str(self.mid + above), sz=sz, buy=False, **changes)

    async def place(self, *orders: pb.PlaceOrder) -> Told:
        """Place orders in one plan and wait for all that is told of it."""
        return await self.gateway.execute(MARKET, places=self._intended(orders))

    async def rest(self, *orders: pb.PlaceOrder) -> None:
        """Place orders that must rest, and wait until the stream has told so."""
        told = await self.place(*orders)
        for order in orders:
            assert told.outcome_of(order.cloid).HasField("resting"), told
            await self.update(order.cloid, "open")

    async def begin(self, *orders: pb.PlaceOrder) -> int:
        """Place orders without waiting; the plan's number."""
        return await self.gateway.submit(MARKET, places=self._intended(orders))

    async def modify(self, old: pb.PlaceOrder, new: pb.PlaceOrder) -> pb.Outcome:
        """Replace an order and wait; what became of the new one."""
        self.belief.intend(MARKET, new)
        told = await self.gateway.execute(MARKET, modifies=[pb.ModifyOrder(old_cloid=old.cloid, order=new)])
        return told.outcomes_of(new.cloid)[-1]

    async def cancel(self, order: pb.PlaceOrder) -> pb.Outcome:
        """Cancel an order and wait; what became of that."""
        told = await self.gateway.execute(MARKET, cancels=[pb.CancelOrder(cloid=order.cloid)])
        return told.outcomes_of(order.cloid)[-1]

    async def resolve(self, told: Told, order: pb.PlaceOrder) -> pb.ResolveResponse:
        """Have the gateway find out what became of a placement; an order proven dead is believed to be."""
        sent = next(sent for sent in told.sent if order.cloid in sent.cloids)
        question = pb.ResolveRequest(cloid=order.cloid, nonce=sent.nonce, expires_after_ms=sent.expires_after_ms)
        verdict = await self.gateway.execution.Resolve(question)
        if verdict.resolution == pb.RESOLUTION_DEAD:
            self.belief.proven_dead(order.cloid)
        return verdict

    def _intended(self, orders: Collection[pb.PlaceOrder]) -> list[pb.PlaceOrder]:
        for order in orders:
            self.belief.intend(MARKET, order)
        return list(orders)

    # --- hearing

    async def update(self, cloid: str, status: str) -> pb.OrderUpdate:
        """The order update with this status, now or when it comes."""
        told = await self.account.until(
            lambda event: event.order_update.cloid == cloid and event.order_update.status == status
        )
        return told.order_update

    async def fill(self, cloid: str) -> common.Fill:
        """The first fill of an order, now or when it comes."""
        return (await self.account.until(lambda event: event.HasField("fill") and event.fill.cloid == cloid)).fill

    async def event(self, kind: str, *, after: int = 0) -> Event:
        """The first event of a kind from a position on."""
        return await self.account.until(lambda event: event.WhichOneof("event") == kind, after=after)

    def statuses(self, cloid: str) -> list[str]:
        """Every status told of an order so far."""
        return [event.order_update.status for event in self.account.messages if event.order_update.cloid == cloid]

    def kinds(self, *, after: int = 0) -> list[str | None]:
        """What was told from a position on, by kind."""
        return [event.WhichOneof("event") for event in self.account.messages[after:]]

    # --- comparing

    def look(self, _block: Block) -> None:
        """Hold what is believed against the books of the block that was just committed."""
        self._catch_up()
        for market, (long_e8, short_e8) in self._possible().items():
            believed_long, believed_short = self.belief.worst_case(market)
            if believed_long < long_e8 or believed_short < short_e8:
                self.understated.append(
                    f"{market}: {believed_long} long and {believed_short} short believed, {long_e8} and {short_e8} true"
                )

    def look_now(self) -> None:
        """Take in all that was told so far."""
        self._catch_up()

    async def agree(self) -> None:
        """Wait until belief, gateway and venue hold the same; nothing may have been understated on the way."""

        async def agreed() -> bool:
            return self._difference() == "" and await self._reads_agree()

        try:
            await until("they agree", agreed)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self._difference()}\n{self.belief}") from None
        assert self.understated == []
        assert (await self.venue.control("dump_state"))["violations"] == []
        struck = (await self.venue.control("faults"))["struck"]
        assert [name for name in self.thrown if name in _STRIKING and not struck.get(name)] == []

    def _catch_up(self) -> None:
        executed, happened = self.gateway.executed.messages, self.account.messages
        for told in executed[self._read[0] :]:
            self.belief.executed(told)
        for event in happened[self._read[1] :]:
            self.belief.happened(event)
        self._read = [len(executed), len(happened)]

    def _possible(self) -> dict[str, tuple[int, int]]:
        """Per market, the largest long and short position the venue's books allow."""
        state = self.venue.core.state
        account = state.accounts[self.address]
        possible = {}
        for market in state.markets:
            orders = [order for order in account.open_orders.values() if order.asset == market.asset]
            szi = account.szi_e8(market.asset)
            buys = sum(order.sz_e8 for order in orders if order.is_buy)
            sells = sum(order.sz_e8 for order in orders if not order.is_buy)
            possible[market.coin] = max(0, szi + buys), max(0, sells - szi)
        return possible

    def _difference(self) -> str:
        """Where belief and venue differ now; empty where they do not."""
        self._catch_up()
        true_orders = {o.oid: o.sz_e8 for o in self.venue.core.state.accounts[self.address].open_orders.values()}
        told_orders = {o.oid: o.remaining_e8 for o in self.belief.newest_book.orders}
        true_positions = self._true_positions()
        positions = {market: szi for market, szi in self.belief.positions.items() if szi}
        differences = {
            "orders": (self.belief.open_oids(), true_orders),
            "newest list of open orders": (told_orders, true_orders),
            "positions": (positions, true_positions),
            "worst case": ({m: self.belief.worst_case(m) for m in self._possible()}, self._possible()),
            "gap": (self.belief.in_gap, False),
        }
        return "; ".join(f"{what}: {a} is not {b}" for what, (a, b) in differences.items() if a != b)

    def _true_positions(self) -> dict[str, int]:
        state = self.venue.core.state
        held = state.accounts[self.address].positions.items()
        return {state.market(asset).coin: position.szi_e8 for asset, position in held if position.szi_e8}

    async def _reads_agree(self) -> bool:
        """Whether what the gateway reads for others is what the venue holds."""
        reference = self.gateway.reference
        orders = (await reference.ListOpenOrders(pb.ListOpenOrdersRequest())).open_orders.orders
        account = (await reference.GetAccount(pb.GetAccountRequest())).account
        true_orders = await self.venue.client().info("openOrders", user=self.address)
        positions = {position.market: position.sz_e8 for position in account.positions if position.sz_e8}
        return positions == self._true_positions() and {order.oid: order.remaining_e8 for order in orders} == {
            order["oid"]: parse_e8(str(Decimal(order["sz"]))) for order in true_orders
        }


def rejection(outcome: pb.Outcome) -> int:
    """Class of a refusal; REJECTION_CLASS_UNSPECIFIED where there is none."""
    return int(getattr(outcome.rejected, "class"))


@asynccontextmanager
async def at_desk(
    directory: Path, *, venue: dict[str, Any] | None = None, agrees: bool = True, **part: Any
) -> AsyncIterator[Desk]:
    """A desk whose account stream has begun; `part` are fields of GatewayPart, `venue` options of the venue."""
    async with running(**(venue or {})) as house, running_gateway(house, directory, **part) as gateway:
        account = gateway.account_stream()
        await account.until(lambda event: event.HasField("gap_closed"))
        mid = int(float((await house.client().info("allMids"))[MARKET]))
        desk = Desk(house, gateway, account, mid)
        house.core.on_block = desk.look
        yield desk
        if agrees:
            await desk.agree()


def counted(events: list[Event], matches: Callable[[Event], bool]) -> int:
    """How many events match."""
    return sum(1 for event in events if matches(event))
