"""An account's money, positions, orders and memory.

Cash has the cost of positions taken out (the exchange's `totalRawUsd`): buying lowers it, selling raises it, fees
lower it. There is one amount per dex; `raw_e8` is the main dex's. So the sum over all accounts plus fees plus funding
residue is what was deposited.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Literal

from perpmaker.venue.engine.account_actions import Abstraction
from perpmaker.venue.engine.orders import Order
from perpmaker.venue.units import E8, notional_e8, scaled


@dataclass(frozen=True, slots=True)
class Memory:
    """How much an account remembers: orders that ended, and fills as well as funding payments."""

    orders: int = 2_000
    fills: int = 10_000


EXCHANGE_MEMORY = Memory()


@dataclass(slots=True)
class Position:
    """A signed position and what it cost. `cost_quote_e8` has the sign of the size."""

    szi_e8: int = 0
    cost_quote_e8: int = 0
    funding_all_time_e8: int = 0
    funding_since_open_e8: int = 0
    funding_since_change_e8: int = 0
    isolated_raw_e8: int = 0
    """Cash of an isolated position, the cost of the position taken out; zero for a cross one."""

    @property
    def entry_px_e8(self) -> int:
        return self.cost_quote_e8 * E8 // self.szi_e8 if self.szi_e8 else 0


@dataclass(frozen=True, slots=True)
class Liquidation:
    """Whose liquidation made a fill, at which mark, and how: in the book, or taken over by the liquidator."""

    address: str
    mark_px_e8: int
    method: Literal["market", "backstop"]


@dataclass(frozen=True, slots=True)
class Fill:
    """One side of one trade, as the owner of that side sees it."""

    address: str
    asset: int
    px_e8: int
    sz_e8: int
    is_buy: bool
    time_ms: int
    start_position_e8: int
    direction: str
    closed_pnl_e8: int
    fee_e8: int
    oid: int
    cloid: str | None
    crossed: bool
    tid: int
    tx_hash: str
    builder_fee_e8: int = 0
    twap_id: int | None = None
    """Part of `fee_e8`."""
    liquidation: Liquidation | None = None


@dataclass(frozen=True, slots=True)
class FundingPayment:
    """One account's hourly settlement; `quote_e8` is negative when it paid."""

    address: str
    asset: int
    time_ms: int
    quote_e8: int
    szi_e8: int
    rate_e10: int


@dataclass(frozen=True, slots=True)
class Deposit:
    address: str
    time_ms: int
    quote_e8: int
    tx_hash: str


@dataclass(frozen=True, slots=True)
class LedgerUpdate:
    """A movement of money that is neither trade, funding nor deposit, in the exchange's own words."""

    address: str
    time_ms: int
    tx_hash: str
    kind: str
    fields: tuple[tuple[str, str | bool | int], ...]


LedgerEntry = Deposit | LedgerUpdate


@dataclass(slots=True)
class Exposure:
    """Resting orders of one market that would increase the position, by side (value at their own price)."""

    buy_quote_e8: int = 0
    sell_quote_e8: int = 0


class Account:
    """Everything the venue knows about one address. House accounts never run out of margin."""

    __slots__ = (
        "abstraction",
        "actions_day",
        "actions_minute",
        "actions_this_minute",
        "actions_today",
        "address",
        "builder_approvals",
        "cancel_at_ms",
        "cancel_fired_day",
        "cancel_fired_today",
        "cash_e8",
        "cloids",
        "exposures",
        "fee_rates_cache",
        "fills",
        "full_liquidation_until_ms",
        "funding",
        "is_house",
        "isolated",
        "ledger",
        "leverage",
        "master",
        "memory",
        "name",
        "open_orders",
        "positions",
        "records",
        "referrer_code",
        "requests",
        "requests_over_ms",
        "requests_reserved",
        "spot_e8",
        "staked_tokens",
        "sub_accounts",
        "volume_by_day",
        "volume_e8",
    )

    def __init__(self, address: str, *, is_house: bool = False, memory: Memory = EXCHANGE_MEMORY) -> None:
        self.address = address
        self.is_house = is_house
        self.memory = memory
        self.cash_e8: dict[int, int] = {0: 0}
        self.positions: dict[int, Position] = {}
        self.exposures: dict[int, Exposure] = {}
        self.leverage: dict[int, int] = {}
        self.isolated: set[int] = set()
        """Markets whose margin mode is isolated. Nobody iterates it."""
        self.volume_by_day: dict[int, tuple[int, int]] = {}
        """Quote traded per day since the epoch: as taker, as maker."""
        self.fee_rates_cache = (-1, 0, 0)
        """Day since the epoch, and the taker and maker rate (1e-6) of that day."""
        self.staked_tokens = 0
        self.full_liquidation_until_ms: dict[int, int] = {}
        """Per dex: until when liquidation orders close everything at once."""
        self.open_orders: dict[int, Order] = {}
        self.records: OrderedDict[int, Order] = OrderedDict()
        self.cloids: dict[str, int] = {}
        self.fills: deque[Fill] = deque(maxlen=memory.fills)
        self.funding: deque[FundingPayment] = deque(maxlen=memory.fills)
        self.ledger: list[LedgerEntry] = []
        self.volume_e8 = 0
        self.spot_e8: dict[int, int] = {}
        """Tokens held outside any dex, by token index."""
        self.requests = 0
        self.requests_reserved = 0
        self.actions_day = self.actions_today = 0
        self.actions_minute = self.actions_this_minute = 0
        self.requests_over_ms: int | None = None
        """When a request beyond the budget last passed."""
        self.master: str | None = None
        """Of a sub-account: whose it is."""
        self.name = ""
        self.sub_accounts: list[str] = []
        self.builder_approvals: dict[str, int] = {}
        """The most each builder may charge, in tenths of a basis point."""
        self.abstraction: Abstraction = "disabled"
        self.referrer_code = ""
        self.cancel_at_ms: int | None = None
        self.cancel_fired_day = 0
        self.cancel_fired_today = 0

    @property
    def raw_e8(self) -> int:
        """Cash of the main dex."""
        return self.cash_e8[0]

    @raw_e8.setter
    def raw_e8(self, value: int) -> None:
        self.cash_e8[0] = value

    def credit(self, dex: int, quote_e8: int) -> None:
        """Add to (or with a negative amount take from) the cash of one dex."""
        self.cash_e8[dex] = self.cash_e8.get(dex, 0) + quote_e8

    def position(self, asset: int) -> Position:
        return self.positions.setdefault(asset, Position())

    def szi_e8(self, asset: int) -> int:
        return position.szi_e8 if (position := self.positions.get(asset)) else 0

    def exposure(self, asset: int) -> Exposure:
        return self.exposures.setdefault(asset, Exposure())

    def remember(self, order: Order) -> None:
        """File an order under its oid and cloid; the oldest ended records make room for new ones.

        An order that is filed already keeps its place: by now its cloid may belong to a newer one.
        """
        if order.oid in self.records:
            return
        self.records[order.oid] = order
        if order.cloid is not None:
            self.cloids[order.cloid] = order.oid
        if len(self.records) - len(self.open_orders) > self.memory.orders:
            self._forget_oldest_ended()

    def _forget_oldest_ended(self) -> None:
        oldest = next((o for o in self.records.values() if not o.is_open), None)
        if oldest is None:
            return
        del self.records[oldest.oid]
        if oldest.cloid is not None and self.cloids.get(oldest.cloid) == oldest.oid:
            del self.cloids[oldest.cloid]

    def find(self, reference: int | str) -> Order | None:
        """A remembered order by oid, or the latest one by cloid."""
        oid = self.cloids.get(reference) if isinstance(reference, str) else reference
        return self.records.get(oid) if oid is not None else None

    def reserve(self, order: Order, sz_e8: int) -> None:
        """Add (or with a negative size release) what a resting order may still execute."""
        if order.reduce_only:
            return
        exposure = self.exposure(order.asset)
        value = notional_e8(order.px_e8, sz_e8) if sz_e8 >= 0 else -notional_e8(order.px_e8, -sz_e8)
        if order.is_buy:
            exposure.buy_quote_e8 += value
        else:
            exposure.sell_quote_e8 += value

    def set_isolated(self, asset: int, isolated: bool) -> None:
        """Choose the margin mode of a market in which there is no position."""
        if isolated:
            self.isolated.add(asset)
        else:
            self.isolated.discard(asset)

    def trade(self, asset: int, *, is_buy: bool, sz_e8: int, quote_e8: int) -> int:
        """Book one execution: the position, not money or volume. Returns realised P&L before fees."""
        signed_sz, signed_quote = (sz_e8, quote_e8) if is_buy else (-sz_e8, -quote_e8)
        position = self.position(asset)
        before, after = position.szi_e8, position.szi_e8 + signed_sz
        position.funding_since_change_e8 = 0
        position.szi_e8 = after
        if before == 0 or (before > 0) == is_buy:
            position.cost_quote_e8 += signed_quote
            return 0
        if (after > 0) == (before > 0) and after != 0:
            closed_cost = scaled(position.cost_quote_e8, sz_e8, abs(before))
            position.cost_quote_e8 -= closed_cost
            return -signed_quote - closed_cost
        closing_quote = scaled(signed_quote, abs(before), sz_e8)
        realised = -closing_quote - position.cost_quote_e8
        position.cost_quote_e8 = signed_quote - closing_quote
        position.funding_since_open_e8 = 0
        return realised
