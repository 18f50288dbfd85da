"""The venue as one deterministic object: submit actions, call `step(now_ms)`, get a committed block.

A block runs everything that arrived since the last one, in the exchange's class order, together with what the
house participants decided, then moves prices and settles funding. Answers are given when the block is complete,
never before. Same seed, same submissions, same times: same state.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from perpmaker.venue.admission import Admission, SignedAction
from perpmaker.venue.answer_rules import AnswerRules
from perpmaker.venue.engine.actions import Action, order_key
from perpmaker.venue.engine.audit import Audit
from perpmaker.venue.engine.execute import Answer, Err, execute, fire_scheduled_cancels
from perpmaker.venue.engine.families import settle_families
from perpmaker.venue.engine.funding import settle_funding
from perpmaker.venue.engine.liquidation import liquidate_all
from perpmaker.venue.engine.markets import Market
from perpmaker.venue.engine.open_interest import cancel_at_caps
from perpmaker.venue.engine.state import Events, Rules, State
from perpmaker.venue.engine.triggers import fire_triggers
from perpmaker.venue.engine.twaps import run_twaps
from perpmaker.venue.tape.tape import Tape
from perpmaker.venue.units import E8

Reply = Callable[[Answer], None]
HOUSE_FUNDS_E8 = 10**9 * E8
_MARKS_EVERY_MS = 3_000
_PREMIUM_EVERY_MS = 5_000


class Participants(Protocol):
    """The house side of the market: makers and takers that act through the same engine."""

    def act(self, venue: Venue) -> None:
        """Submit what the participants want in the block being built."""

    def fair_px_e8(self, asset: int) -> int:
        """What the asset is worth elsewhere; the oracle follows it."""


@dataclass(frozen=True, slots=True)
class Block:
    """One committed block and everything it did."""

    height: int
    time_ms: int
    events: Events


@dataclass(slots=True)
class _Pending:
    action: Action
    reply: Reply
    signed: SignedAction | None = None
    house: str = ""


@dataclass(slots=True)
class Venue:
    """The exchange between two blocks."""

    state: State
    admission: Admission
    tape: Tape
    answers: AnswerRules = field(default_factory=AnswerRules)
    participants: Participants | None = None
    on_block: Callable[[Block], None] | None = None
    """Hears of every committed block before those who are answered."""
    audit: Audit = field(default_factory=Audit)
    _pending: list[_Pending] = field(default_factory=list)
    _marks_ms: int | None = None
    _premium_ms: int | None = None
    _funding_hour: int | None = None

    def submit(self, signed: SignedAction, reply: Reply) -> None:
        """Queue a client's action for the next block."""
        self._pending.append(_Pending(signed.action, reply, signed=signed))

    def submit_house(self, address: str, action: Action, reply: Reply) -> None:
        """Queue an action of a house account: no signature, no nonce, no margin limit."""
        if address not in self.state.accounts:
            for dex in self.state.dexes:
                self.state.deposit(address, HOUSE_FUNDS_E8, is_house=True, dex=dex)
        self._pending.append(_Pending(action, reply, house=address))

    def step(self, now_ms: int) -> Block:
        """Build and commit the block of this time. Time never runs backwards, whatever the caller says.

        Raises `BrokenInvariantError` when the books no longer add up; the venue must then stop.
        """
        state = self.state
        state.now_ms = max(now_ms, state.now_ms + 1)
        state.height += 1
        self._move_prices()
        if self.participants is not None:
            self.participants.act(self)
        fire_scheduled_cancels(state)
        if state.events.marks_moved:
            cancel_at_caps(state)
        batch, self._pending = self._pending, []
        batch.sort(key=lambda pending: order_key(pending.action))
        answers = [(pending.reply, self._run(pending)) for pending in batch]
        # What fires by itself takes like an IOC, so it too comes after the cancels of the block.
        fire_triggers(state)
        run_twaps(state)
        if state.events.marks_moved:
            liquidate_all(state)
        settle_families(state)
        self._settle_hour()
        block = Block(state.height, state.now_ms, state.take_events())
        self.audit.check(state, block.events)
        self.tape.record(block.events)
        if self.on_block is not None:
            self.on_block(block)
        for reply, answer in answers:
            reply(answer)
        return block

    def _run(self, pending: _Pending) -> Answer:
        self.state.begin_transaction()
        if pending.signed is None:
            account = self.state.accounts[pending.house]
            return execute(self.state, self.admission.agents, account, pending.action)
        admitted = self.admission.admit(pending.signed)
        if isinstance(admitted, Err):
            return admitted
        return execute(self.state, self.admission.agents, admitted, pending.action)

    def _move_prices(self) -> None:
        state = self.state
        if self._marks_ms is None or state.now_ms - self._marks_ms >= _MARKS_EVERY_MS:
            self._marks_ms = state.now_ms
            for market in state.markets:
                self.publish_mark(market)
        if self._premium_ms is None or state.now_ms - self._premium_ms >= _PREMIUM_EVERY_MS:
            self._premium_ms = state.now_ms
            for market in state.markets:
                state.marks[market.asset].sample_premium(*self._impact(market))

    def publish_mark(self, market: Market) -> None:
        """Move oracle and mark of a market to what fair price and book say now."""
        state, marks = self.state, self.state.marks[market.asset]
        fair = self.participants.fair_px_e8(market.asset) if self.participants else marks.oracle_px_e8
        book = state.book(market.asset)
        oracle = market.round_px(fair, up=False)
        mark = marks.update(oracle, book.best_bid(), book.best_ask(), state.now_ms)
        if not marks.pinned:
            marks.mark_px_e8 = market.round_px(mark, up=False)
        state.events.marks_moved = True

    def _impact(self, market: Market) -> tuple[int | None, int | None]:
        book = self.state.book(market.asset)
        bid = book.impact_px(False, market.impact_notional_e8)
        return bid, book.impact_px(True, market.impact_notional_e8)

    def _settle_hour(self) -> None:
        hour = self.state.now_ms // self.state.rules.funding_interval_ms
        if self._funding_hour is not None and hour > self._funding_hour:
            settle_funding(self.state)
        self._funding_hour = hour


def build_venue(
    markets: tuple[Market, ...],
    rules: Rules,
    *,
    seed: int,
    faucet_e8: int,
    participants: Participants | None = None,
    answers: AnswerRules | None = None,
) -> Venue:
    """A fresh exchange without accounts."""
    state = State(markets, rules, seed)
    return Venue(state, Admission(state, faucet_e8), Tape(state), answers or AnswerRules(), participants)
