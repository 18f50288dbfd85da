"""The whole exchange as one value, and what happened to it in the current block.

Only the engine's functions change it; the views only read it. `events` is taken by the block when it commits.
"""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass, field

from perpmaker.venue.engine.accounts import (
    EXCHANGE_MEMORY,
    Account,
    Deposit,
    Fill,
    FundingPayment,
    LedgerEntry,
    Liquidation,
    Memory,
)
from perpmaker.venue.engine.book import Book
from perpmaker.venue.engine.gates import Gates
from perpmaker.venue.engine.limits.rules import LimitRules
from perpmaker.venue.engine.liquidation_rules import LiquidationRules
from perpmaker.venue.engine.listings import DEXES, Dex
from perpmaker.venue.engine.markets import Market
from perpmaker.venue.engine.marks import Marks
from perpmaker.venue.engine.order_rules import OrderRules
from perpmaker.venue.engine.orders import Order, Status
from perpmaker.venue.engine.twap_records import Twap

_FIRST_OID = 345_000_000_000
_RECENT_TRADES = 10
ZERO_HASH = "0x" + "0" * 64


@dataclass(frozen=True, slots=True)
class Rules:
    """What an operator of the venue may choose. Rates are in 1e-6 (450 is 4.5 bps).

    `staked_tokens` is what every new account but the house's has staked.
    """

    taker_fee_e6: int = 450
    maker_fee_e6: int = 150
    funding_interval_ms: int = 3_600_000
    schedule_cancel_volume_e8: int = 0
    staked_tokens: int = 0
    memory: Memory = EXCHANGE_MEMORY
    orders: OrderRules = field(default_factory=OrderRules)
    limits: LimitRules = field(default_factory=LimitRules)
    liquidation: LiquidationRules = field(default_factory=LiquidationRules)


class EndedTwiceError(RuntimeError):
    """An order that had ended was given another status: the venue is wrong and must stop."""


@dataclass(frozen=True, slots=True)
class OrderUpdate:
    """An order reached a status. `sz_e8` is the size at that moment; the order itself lives on."""

    order: Order
    status: Status
    sz_e8: int
    time_ms: int


@dataclass(frozen=True, slots=True)
class Trade:
    asset: int
    px_e8: int
    sz_e8: int
    taker_is_buy: bool
    time_ms: int
    tid: int
    tx_hash: str
    buyer: str
    seller: str


@dataclass(frozen=True, slots=True)
class FundingRate:
    """What a market's funding was settled at. `premium_e8` is the average of the interval."""

    asset: int
    time_ms: int
    rate_e10: int
    premium_e8: int


@dataclass(frozen=True, slots=True)
class LiquidationNotice:
    """An account, or one of its isolated positions, fell below maintenance margin: what it held and was worth."""

    number: int
    address: str
    liquidator: str
    value_e8: int
    equity_e8: int


@dataclass(slots=True)
class Events:
    """What one block did, in order."""

    updates: list[OrderUpdate] = field(default_factory=list)
    fills: list[Fill] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)
    engine_cancels: list[Order] = field(default_factory=list)
    liquidations: list[LiquidationNotice] = field(default_factory=list)
    funding: list[FundingPayment] = field(default_factory=list)
    funding_rates: list[FundingRate] = field(default_factory=list)
    deposits: list[LedgerEntry] = field(default_factory=list)
    twaps: list[Twap] = field(default_factory=list)
    touched_books: set[int] = field(default_factory=set)
    touched_orders: set[str] = field(default_factory=set)
    marks_moved: bool = False


@dataclass(slots=True)
class Pool:
    """What came in from outside in one collateral, and what of it the exchange holds rather than an account.

    Cash of all accounts plus fees plus funding residue is what was deposited, to the last 1e-8.
    """

    deposits_e8: int = 0
    fees_e8: int = 0
    funding_residue_e8: int = 0
    builder_fees_e8: dict[str, int] = field(default_factory=dict)
    """Earned by builders and not claimed."""


class State:
    """Accounts, books, prices and counters."""

    def __init__(self, markets: tuple[Market, ...], rules: Rules, seed: int) -> None:
        self.markets = markets
        self.rules = rules
        self.seed = seed
        self.now_ms = 0
        self.height = 0
        self._by_asset = {m.asset: m for m in markets}
        self._by_coin = {m.coin: m for m in markets}
        self.dexes = tuple(dict.fromkeys((DEXES[0], *(m.dex for m in sorted(markets, key=lambda m: m.dex.index)))))
        self.books = {m.asset: Book() for m in markets}
        self.marks = {m.asset: _marks_of(m) for m in markets}
        self.accounts: dict[str, Account] = {}
        self.trades = {m.asset: deque[Trade](maxlen=_RECENT_TRADES) for m in markets}
        self.volume_base_e8 = {m.asset: 0 for m in markets}
        self.volume_quote_e8 = {m.asset: 0 for m in markets}
        self.halted: dict[int, None] = {}
        """Markets that take no orders, by asset; delisted ones are among them."""
        self.delisted: set[str] = set()
        """Coins whose listing says so; the numbers of markets never change, so they stay in their places."""
        self.gates = Gates(open_interest_caps_e8={m.asset: m.oi_cap_e8 for m in markets if m.oi_cap_e8 is not None})
        self.waiting: dict[int, dict[int, Order]] = {}
        """Open orders outside the books, by market and oid: they wait for a price or for their parent."""
        self.ended: deque[Order] = deque()
        """Orders with a family that ended and have not been seen to."""
        self.moved: dict[tuple[str, int], None] = {}
        """Positions that changed while orders protecting the whole of them may wait."""
        self.twaps: dict[int, Twap] = {}
        """TWAP orders by id, running and remembered, oldest first."""
        self.next_twap_id = 0
        self.next_oid = _FIRST_OID
        self.pools = {dex.token.index: Pool() for dex in self.dexes}
        self.liquidation: Liquidation | None = None
        """Set while the exchange closes a position: fills made meanwhile say so."""
        self.tx_hash = ZERO_HASH
        self.tx_count = 0
        self.events = Events()

    @property
    def pool(self) -> Pool:
        """What the exchange holds in the main dex's collateral."""
        return self.pools[0]

    def pay_builder(self, address: str, dex: Dex, quote_e8: int) -> None:
        """Set aside what the builder of a client earned."""
        earned = self.pools[dex.token.index].builder_fees_e8
        earned[address] = earned.get(address, 0) + quote_e8

    def market(self, asset: int) -> Market:
        """The market an action's integer names. Raises `KeyError`; see `is_listed`."""
        return self._by_asset[asset]

    def is_listed(self, asset: int) -> bool:
        return asset in self._by_asset

    def market_of(self, coin: str) -> Market | None:
        return self._by_coin.get(coin)

    def list_again(self, market: Market) -> None:
        """List a market under other rules; its number, its book and its prices stay."""
        self.markets = tuple(market if m.asset == market.asset else m for m in self.markets)
        self._by_asset[market.asset] = self._by_coin[market.coin] = market

    def markets_of_dex(self, name: str) -> tuple[Market, ...]:
        """The universe of one dex in its order; empty for a dex this venue does not list."""
        return tuple(m for m in self.markets if m.dex.name == name)

    def dex_named(self, name: str) -> Dex | None:
        return DEXES[0] if not name else next((dex for dex in self.dexes if dex.name == name), None)

    def book(self, asset: int) -> Book:
        return self.books[asset]

    def mark_px_e8(self, asset: int) -> int:
        return self.marks[asset].mark_px_e8

    def open_account(self, address: str, *, is_house: bool = False) -> Account:
        """The account of an address, created without money if it is new."""
        account = self.accounts.get(address)
        if account is None:
            account = self.accounts[address] = Account(address, is_house=is_house, memory=self.rules.memory)
            account.staked_tokens = 0 if is_house else self.rules.staked_tokens
        return account

    def deposit(self, address: str, quote_e8: int, *, is_house: bool = False, dex: Dex = DEXES[0]) -> Account:
        """Credit an address in a dex's collateral, creating its account the first time."""
        account = self.open_account(address, is_house=is_house)
        account.credit(dex.index, quote_e8)
        self.pools[dex.token.index].deposits_e8 += quote_e8
        self.note(account, Deposit(address, self.now_ms, quote_e8, self.begin_transaction()))
        return account

    def note(self, account: Account, entry: LedgerEntry) -> None:
        """Write an entry into an account's ledger and tell the streams."""
        account.ledger.append(entry)
        self.events.deposits.append(entry)

    def house_account(self, address: str) -> Account:
        """An account of the exchange itself, which is not margined; created empty the first time."""
        if address not in self.accounts:
            self.accounts[address] = Account(address, is_house=True, memory=self.rules.memory)
        return self.accounts[address]

    def begin_transaction(self) -> str:
        """Give what happens next a hash of its own, a function of seed, block and order within it."""
        self.tx_count += 1
        digest = hashlib.blake2b(f"{self.seed}/{self.height}/{self.tx_count}".encode(), digest_size=32)
        self.tx_hash = "0x" + digest.hexdigest()
        return self.tx_hash

    def take_oid(self) -> int:
        self.next_oid += 1
        return self.next_oid

    def take_events(self) -> Events:
        events, self.events = self.events, Events()
        return events

    def set_status(self, order: Order, status: Status) -> None:
        """Move an order's record to a status and tell the streams. A status that ends an order is its last."""
        if order.status.is_terminal:
            raise EndedTwiceError(f"order {order.oid} is {order.status.value} and cannot become {status.value}")
        order.status = status
        order.status_ms = self.now_ms
        order.recorded_sz_e8 = order.sz_e8
        self.events.updates.append(OrderUpdate(order, status, order.sz_e8, self.now_ms))
        self.events.touched_orders.add(order.address)
        if status.is_terminal and (order.children or order.siblings):
            self.ended.append(order)


def _marks_of(market: Market) -> Marks:
    px_e8 = market.start_px_e8
    is_builder = market.dex.index > 0
    return Marks(px_e8, px_e8, px_e8, is_builder=is_builder, funding_multiplier_e6=market.funding_multiplier_e6)


def trade_id(buyer_oid: int, seller_oid: int) -> int:
    """A 50-bit hash of both oids, as the exchange defines `tid`: unique only with time and coin."""
    digest = hashlib.blake2b(f"{buyer_oid}/{seller_oid}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 14
