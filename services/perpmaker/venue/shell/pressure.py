"""House orders that faults send: takers that race a cancel, and quotes that make post-only orders fail."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field

from perpmaker.venue.core import Venue
from perpmaker.venue.engine.actions import Action, ActionClass, CancelOrders, ModifyOrders, PlaceOrders, class_of
from perpmaker.venue.engine.orders import NewOrder, Order, Tif
from perpmaker.venue.faults.board import Board
from perpmaker.venue.faults.operation import market_named, positive_e8
from perpmaker.venue.faults.switches import AloStorm
from perpmaker.venue.flow.participants import house_address
from perpmaker.venue.shell.conductor import Conductor


def action_kind(action: Action) -> str:
    """What `delay_action` calls an action."""
    if not isinstance(action, (PlaceOrders, CancelOrders, ModifyOrders)):
        return "other"
    match class_of(action):
        case ActionClass.CANCEL:
            return "cancel"
        case ActionClass.TAKING:
            return "taking"
        case _:
            return "alo"


def race(venue: Venue, action: Action, addresses: Set[str]) -> list[tuple[str, PlaceOrders]]:
    """House orders that execute everything this cancel or modify names, with what rests before it."""
    match action:
        case CancelOrders(targets):
            named = {target for _, target in targets}
        case ModifyOrders(items):
            named = {item.target for item in items}
        case _:
            return []
    accounts = [venue.state.accounts[a] for a in sorted(addresses) if a in venue.state.accounts]
    orders = [o for account in accounts for o in account.open_orders.values() if o.oid in named or o.cloid in named]
    house = house_address("racer")
    return [(house, PlaceOrders((_taker(venue, order),))) for order in orders]


def _taker(venue: Venue, order: Order) -> NewOrder:
    sz_e8 = 0
    for level in venue.state.book(order.asset).side(order.is_buy):
        for resting in level.queue.values():
            sz_e8 += resting.sz_e8
            if resting is order:
                return NewOrder(order.asset, not order.is_buy, order.px_e8, sz_e8, Tif.IOC)
    return NewOrder(order.asset, not order.is_buy, order.px_e8, order.sz_e8, Tif.IOC)


@dataclass(slots=True)
class Pressure:
    """What armed switches do to the market in every block."""

    conductor: Conductor
    board: Board
    _quoted: set[str] = field(default_factory=set)

    def act(self) -> None:
        """Submit for the block that is built next."""
        storms = [a.switch for a in self.board.armed if isinstance(a.switch, AloStorm)]
        coins = {storm.coin for storm in storms}
        for coin in sorted(self._quoted - coins):
            self._withdraw(coin)
        for storm in storms:
            rng = self.board.draw(storm)
            if self.board.strike(AloStorm, "", frozenset()) is not None:
                self._withdraw(storm.coin)
                self._quote(storm, is_buy=rng.random() < 0.5)

    def _withdraw(self, coin: str) -> None:
        venue, house = self.conductor.venue, house_address("storm", coin)
        self._quoted.discard(coin)
        account = venue.state.accounts.get(house)
        if account is not None and account.open_orders:
            targets = tuple((order.asset, order.oid) for order in account.open_orders.values())
            self.conductor.submit_house(house, CancelOrders(targets), lambda _: None)

    def _quote(self, storm: AloStorm, *, is_buy: bool) -> None:
        venue = self.conductor.venue
        market = market_named(venue, storm.coin)
        book = venue.state.book(market.asset)
        bid, ask = book.best_bid(), book.best_ask()
        if bid is None or ask is None:
            return
        tick = market.tick_e8(bid)
        px_e8 = ask - tick if is_buy else bid + tick
        if not bid < px_e8 < ask:
            return
        smallest = -(-12 * 10**16 // px_e8)  # 12 USD: above the smallest order the exchange takes
        wanted = smallest if storm.sz is None else positive_e8(storm.sz)
        sz_e8 = -(-wanted // market.lot_e8) * market.lot_e8
        order = NewOrder(market.asset, is_buy, px_e8, sz_e8, Tif.ALO)
        self.conductor.submit_house(house_address("storm", storm.coin), PlaceOrders((order,)), lambda _: None)
        self._quoted.add(storm.coin)
