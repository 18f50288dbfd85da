"""The venue without sockets: named traders, decimal strings, one block per call, a clock that only we move."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import Any

from perpmaker.venue.admission import SignedAction
from perpmaker.venue.core import Block, Venue, build_venue
from perpmaker.venue.engine.actions import (
    Action,
    CancelOrders,
    Modification,
    ModifyOrders,
    PlaceOrders,
)
from perpmaker.venue.engine.execute import Answer, Err, Ok
from perpmaker.venue.engine.invariants import violations
from perpmaker.venue.engine.markets import list_markets
from perpmaker.venue.engine.orders import Grouping, NewOrder, Tif, Trigger
from perpmaker.venue.engine.state import Rules
from perpmaker.venue.units import E8, parse_e8

START_MS = 1_760_000_000_000
BLOCK_MS = 70
ALICE, BOB, CAROL = ("0x" + digit * 40 for digit in "abc")


def limit(
    px: str,
    sz: str = "1",
    *,
    buy: bool = True,
    tif: Tif = Tif.GTC,
    reduce_only: bool = False,
    cloid: str | None = None,
    asset: int = 0,
) -> NewOrder:
    """An order in decimals. Asset 0 is SOL in these tests: start price 180, tick 0.01, lot 0.01."""
    return NewOrder(asset, buy, parse_e8(px), parse_e8(sz), tif, reduce_only, cloid)


def trigger(
    at: str,
    px: str | None = None,
    sz: str = "1",
    *,
    buy: bool = False,
    take_profit: bool = False,
    market: bool = True,
    reduce_only: bool = True,
    cloid: str | None = None,
    asset: int = 0,
) -> NewOrder:
    """A stop (or take-profit) order fired when the mark reaches `at`; its limit is `at` unless given."""
    terms = Trigger(parse_e8(at), market, take_profit)
    return NewOrder(asset, buy, parse_e8(px or at), parse_e8(sz), Tif.GTC, reduce_only, cloid, trigger=terms)


@dataclass
class Bench:
    """A venue on a bench. Each helper runs one block and returns what that trader was answered."""

    venue: Venue
    now_ms: int = START_MS
    block: Block | None = None
    _nonces: Any = field(default_factory=lambda: count(START_MS))

    @property
    def state(self) -> Any:
        return self.venue.state

    def step(self, ms: int = BLOCK_MS) -> Block:
        self.now_ms += ms
        self.block = self.venue.step(self.now_ms)
        assert violations(self.venue.state) == []
        return self.block

    def send(self, who: str, action: Action, **signed: Any) -> list[Answer]:
        """Submit without stepping; the list receives the answer when a block commits."""
        answers: list[Answer] = []
        nonce = signed.pop("nonce", None) or next(self._nonces)
        self.venue.submit(SignedAction(action, (who,), nonce, **signed), answers.append)
        return answers

    def run(self, who: str, action: Action, **signed: Any) -> Answer:
        answers = self.send(who, action, **signed)
        self.step()
        return answers[0]

    def place(self, who: str, *orders: NewOrder) -> Any:
        """Place and return the status of the only order, or of all of them."""
        return statuses(self.run(who, PlaceOrders(orders)), single=len(orders) == 1)

    def place_group(self, who: str, grouping: Grouping, *orders: NewOrder) -> Any:
        """Place orders that belong together and return the status of each, or the refusal."""
        return statuses(self.run(who, PlaceOrders(orders, grouping)), single=False)

    def move_mark(self, px: str, asset: int = 0) -> Block:
        """Pin mark and oracle and build the block that notices."""
        self.venue.state.marks[asset].pin(parse_e8(px))
        return self.step()

    def cancel(self, who: str, target: int | str, asset: int = 0) -> Any:
        return statuses(self.run(who, CancelOrders(((asset, target),))), single=True)

    def modify(self, who: str, target: int | str, order: NewOrder, *, always: bool = False) -> Any:
        action = ModifyOrders((Modification(target, order),), always_place=always)
        return statuses(self.run(who, action), single=True)

    def position(self, who: str, asset: int = 0) -> int:
        return int(self.venue.state.accounts[who].szi_e8(asset))

    def opened(self, who: str) -> list[tuple[int, int]]:
        """Price and remaining size of each open order, oldest first, in whole units of 1e-8."""
        return [(o.px_e8, o.sz_e8) for o in self.venue.state.accounts[who].open_orders.values()]

    def status(self, who: str, target: int | str) -> str | None:
        order = self.venue.state.accounts[who].find(target)
        return None if order is None else order.status.value


def statuses(answer: Answer, *, single: bool) -> Any:
    """The statuses of an accepted batch, or the refusal text of a refused action."""
    if isinstance(answer, Err):
        return answer.text
    assert isinstance(answer, Ok)
    listed = answer.response["data"]["statuses"]
    return listed[0] if single else listed


def bench(*, coins: tuple[str, ...] = ("SOL", "BTC"), faucet: int = 100_000, **rules: Any) -> Bench:
    """A quiet venue (no order flow) with its first block built."""
    venue = build_venue(list_markets(coins), Rules(**rules), seed=1, faucet_e8=faucet * E8)
    built = Bench(venue)
    built.step()
    return built


def oid_of(status: dict[str, Any]) -> int:
    """The oid in a placement status."""
    placed = status.get("resting") or status["filled"]
    return int(placed["oid"])
