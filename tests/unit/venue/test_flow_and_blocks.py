"""The order flow is lively and mild, blocks are deterministic, funding only moves money between accounts."""

from __future__ import annotations

from tests.support.venue_core import ALICE, BOB, CAROL, START_MS, bench, limit

from perpmaker.venue.core import Venue, build_venue
from perpmaker.venue.engine.digest import state_hash
from perpmaker.venue.engine.invariants import violations
from perpmaker.venue.engine.markets import list_markets
from perpmaker.venue.engine.marks import Marks
from perpmaker.venue.engine.orders import Tif
from perpmaker.venue.engine.state import Rules
from perpmaker.venue.flow.participants import HouseParticipants
from perpmaker.venue.units import E8

MARKETS = list_markets(("BTC", "SOL"))
MINUTE_BLOCKS = 60_000 // 70


def lively(seed: int, blocks: int = MINUTE_BLOCKS) -> tuple[Venue, int]:
    venue = build_venue(MARKETS, Rules(), seed=seed, faucet_e8=0, participants=HouseParticipants(MARKETS, seed))
    trades = sum(len(venue.step(START_MS + 70 * n).events.trades) for n in range(blocks))
    return venue, trades


def test_a_seed_makes_the_same_history_and_another_seed_a_different_one() -> None:
    first, again, other = (lively(seed, 200)[0] for seed in (5, 5, 6))
    assert state_hash(first.state) == state_hash(again.state)
    assert state_hash(first.state) != state_hash(other.state)


def test_a_minute_of_flow_trades_dozens_of_times_and_leaves_room_inside_the_spread() -> None:
    venue, trades = lively(7)
    assert trades > 36 * len(MARKETS)
    assert violations(venue.state) == []
    for market in MARKETS:
        book = venue.state.book(market.asset)
        bid, ask, mid = book.best_bid(), book.best_ask(), book.mid_e8()
        assert bid is not None and ask is not None and mid is not None
        assert 8 < (ask - bid) / mid * 10_000 < 40


def test_mark_follows_the_book() -> None:
    venue, _ = lively(7)
    for market in MARKETS:
        mid = venue.state.book(market.asset).mid_e8()
        assert mid is not None
        assert abs(venue.state.mark_px_e8(market.asset) / mid - 1) < 0.001


def test_time_never_runs_backwards() -> None:
    venue = bench()
    first = venue.venue.step(START_MS + 10_000).time_ms
    assert venue.venue.step(START_MS).time_ms == first + 1


def test_longs_pay_shorts_the_base_rate_at_the_oracle_price() -> None:
    venue = bench()
    venue.place(ALICE, limit("180", "10"))
    venue.place(BOB, limit("180", "10", buy=False, tif=Tif.IOC))
    before = venue.state.accounts[ALICE].raw_e8, venue.state.accounts[BOB].raw_e8
    block = venue.step(3_600_000)
    paid = 180 * 10 * E8 * 125 // 10_000_000
    assert venue.state.accounts[ALICE].raw_e8 == before[0] - paid
    assert venue.state.accounts[BOB].raw_e8 == before[1] + paid
    assert sorted(p.quote_e8 for p in block.events.funding) == [-paid, paid]


def test_what_truncated_funding_leaves_over_is_kept_not_lost() -> None:
    venue = bench()
    for seller in (BOB, CAROL):
        venue.place(ALICE, limit("180", "0.07"))
        venue.place(seller, limit("180", "0.07", buy=False, tif=Tif.IOC))
    venue.step(3_600_000)
    assert venue.state.pool.funding_residue_e8 == 100


def test_a_premium_raises_the_rate_and_the_cap_holds() -> None:
    marks = Marks(100 * E8, 100 * E8, 100 * E8)
    assert marks.funding_rate_e10() == 125_000
    marks.sample_premium(101 * E8, 102 * E8)
    assert marks.funding_rate_e10() == (100_000_000 - 5_000_000) // 8
    marks.restart_premium()
    marks.sample_premium(200 * E8, 201 * E8)
    assert marks.funding_rate_e10() == 400_000_000


def test_a_pinned_mark_stays_until_released() -> None:
    venue, _ = lively(7, 100)
    venue.state.marks[0].pin(70_000 * E8)
    for n in range(100):
        venue.step(START_MS + 70 * (100 + n))
    assert venue.state.mark_px_e8(0) == 70_000 * E8
    venue.state.marks[0].unpin()
    venue.publish_mark(MARKETS[0])
    assert abs(venue.state.mark_px_e8(0) / E8 - 64_000) < 1_000


def test_records_of_ended_orders_are_kept_for_two_thousand_orders() -> None:
    venue = bench()
    first = venue.place(ALICE, limit("179", cloid="0x" + "1" * 32))["resting"]["oid"]
    venue.cancel(ALICE, first)
    for _ in range(10):
        venue.place(ALICE, *[limit("179", tif=Tif.IOC) for _ in range(199)])
    assert venue.status(ALICE, first) == "canceled"
    venue.place(ALICE, *[limit("179", tif=Tif.IOC) for _ in range(20)])
    assert venue.status(ALICE, first) is None
    assert venue.status(ALICE, "0x" + "1" * 32) is None
