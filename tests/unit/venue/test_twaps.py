"""TWAP orders: their answers, their slices, their end.

Exchange documentation: "Order types", TWAP, and "Exchange endpoint", twapOrder and twapCancel.
"""

from __future__ import annotations

from typing import Any

from tests.support.venue_core import ALICE, BOB, CAROL, Bench, bench, limit

from perpmaker.venue.engine.actions import StartTwap, StopTwap
from perpmaker.venue.engine.answers import Ok
from perpmaker.venue.engine.halts import halt
from perpmaker.venue.engine.state import ZERO_HASH
from perpmaker.venue.engine.twap_records import Twap, TwapStatus
from perpmaker.venue.units import E8


def start(venue: Bench, sz_e8: int = 11 * E8, **options: Any) -> Any:
    wanted = {"is_buy": True, "reduce_only": False, "minutes": 5, "is_randomized": False} | options
    answer = venue.run(ALICE, StartTwap(asset=0, sz_e8=sz_e8, **wanted))
    assert isinstance(answer, Ok)
    assert answer.response["type"] == "twapOrder"
    return answer.response["data"]["status"]


def with_sellers(**rules: Any) -> Bench:
    venue = bench(**rules)
    venue.place(BOB, limit("180", "100", buy=False))
    return venue


def running(venue: Bench, status: Any) -> Twap:
    twap = venue.state.twaps[status["running"]["twapId"]]
    assert isinstance(twap, Twap)
    return twap


def test_a_twap_order_buys_its_size_in_equal_slices_every_half_minute() -> None:
    venue = with_sellers()
    twap = running(venue, start(venue))
    bought = [venue.position(ALICE)]
    for _ in range(10):
        venue.step(30_000)
        bought.append(venue.position(ALICE))
    assert bought == [n * E8 for n in range(1, 12)]
    assert twap.status is TwapStatus.FINISHED
    assert {fill.tx_hash for fill in venue.state.accounts[ALICE].fills} == {ZERO_HASH}


def test_what_one_slice_missed_later_ones_make_up_for_at_most_three_times_the_size() -> None:
    venue = bench()
    venue.place(BOB, limit("180", "1", buy=False))
    start(venue)
    for _ in range(5):
        venue.step(30_000)
    venue.place(BOB, limit("180", "100", buy=False))
    venue.step(30_000)
    assert venue.position(ALICE) == 4 * E8


def test_a_slice_pays_at_most_three_percent_more_than_the_mark() -> None:
    venue = bench()
    venue.place(BOB, limit("185.41", "100", buy=False))
    start(venue)
    assert venue.position(ALICE) == 0
    venue.place(CAROL, limit("185.40", "100", buy=False))
    venue.step(30_000)
    assert venue.position(ALICE) == 2 * E8


def test_randomised_slices_differ_and_still_make_the_whole() -> None:
    venue = with_sellers()
    start(venue, is_randomized=True)
    for _ in range(10):
        venue.step(30_000)
    sizes = [fill.sz_e8 for fill in venue.state.accounts[ALICE].fills]
    assert len(set(sizes)) > 2
    assert sum(sizes) == 11 * E8


def test_a_cancelled_twap_order_sends_no_more_slices_and_cannot_be_cancelled_again() -> None:
    venue = with_sellers()
    twap = running(venue, start(venue))
    answers = [venue.run(ALICE, StopTwap(0, twap.twap_id)) for _ in range(2)]
    assert [answer.response["data"]["status"] for answer in answers if isinstance(answer, Ok)] == [
        "success",
        {"error": "TWAP was never placed, already canceled, or filled."},
    ]
    venue.step(60_000)
    assert venue.position(ALICE) == E8


def test_nobody_cancels_anothers_twap_order() -> None:
    venue = with_sellers()
    twap = running(venue, start(venue))
    venue.run(CAROL, StopTwap(0, twap.twap_id))
    assert twap.status is TwapStatus.ACTIVATED


def test_a_halt_ends_a_twap_order_and_refuses_new_ones() -> None:
    venue = with_sellers()
    twap = running(venue, start(venue))
    halt(venue.venue.state, venue.venue.state.markets[0])
    venue.step(30_000)
    assert twap.status is TwapStatus.TERMINATED
    assert start(venue)["error"].startswith("Trading is halted.")


def test_slices_are_missed_while_only_post_only_orders_pass() -> None:
    venue = with_sellers()
    start(venue)
    venue.state.gates.post_only = True
    venue.step(30_000)
    assert venue.position(ALICE) == E8
