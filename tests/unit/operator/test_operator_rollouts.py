"""One replacement at a time, also across a restart of the operator."""

from __future__ import annotations

import pytest

from perpmaker.common.clock import ManualClock
from perpmaker.operator.interfaces import Ref
from perpmaker.operator.kube import resources as kinds
from perpmaker.operator.reconcile.rollouts import FORGOTTEN_S, GATHER_S, STUCK_S, TAKE_OVER_S, Slot

BTC, ETH = (Ref(kinds.MARKET_MAKER, "trading", name) for name in ("btc", "eth"))


def gets(slot: Slot, clock: ManualClock, ref: Ref) -> bool:
    """Whether asking, and asking again once everybody could ask, gets the slot."""
    slot.take(ref)
    clock.advance_ms(int(GATHER_S * 1000))
    return slot.take(ref)


def test_a_replacement_begun_by_an_operator_before_holds_the_slot() -> None:
    clock = ManualClock()
    slot = Slot(clock, pause_s=0.0)
    slot.take(ETH)
    slot.notice(BTC)
    assert not gets(slot, clock, ETH)
    assert not slot.done(BTC), "it was not begun here"
    assert gets(slot, clock, ETH)


def test_who_waits_for_a_turn_is_known_until_it_asks_no_more() -> None:
    clock = ManualClock()
    slot = Slot(clock, pause_s=0.0)
    slot.notice(BTC)
    slot.take(ETH)
    assert slot.is_wanted_by(BTC)
    assert slot.is_wanted_by(ETH)
    clock.advance_ms(int(FORGOTTEN_S * 1000) + 1)
    assert slot.held_s() == pytest.approx(FORGOTTEN_S, abs=0.01)
    assert not slot.is_wanted_by(ETH)
    slot.done(BTC)
    assert not slot.is_wanted_by(BTC)
    assert slot.held_s() == 0


def test_who_is_down_long_after_the_start_holds_up_nobody() -> None:
    clock = ManualClock()
    slot = Slot(clock, pause_s=0.0)
    clock.advance_ms(int(TAKE_OVER_S * 1000))
    slot.notice(BTC)
    assert gets(slot, clock, ETH)


def test_a_replacement_that_is_stuck_gives_the_slot_up() -> None:
    clock = ManualClock()
    slot = Slot(clock, pause_s=0.0)
    slot.notice(BTC)
    clock.advance_ms(int(STUCK_S * 1000))
    assert gets(slot, clock, ETH)
