"""Liquidation in the book, by the liquidator, and against winners. Source: documentation, "Liquidations"."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.venue_core import ALICE, BOB, CAROL, Bench, bench, limit, oid_of

from perpmaker.venue.engine import margin
from perpmaker.venue.engine.actions import UpdateLeverage
from perpmaker.venue.engine.deleveraging import DIRECTION, ranked_against
from perpmaker.venue.engine.liquidation import liquidate, liquidator_address
from perpmaker.venue.engine.orders import Tif
from perpmaker.venue.units import E8, parse_e8
from perpmaker.venue.views.orders import fill
from perpmaker.venue.views.stream import Streams
from perpmaker.venue.wire.subscriptions import Notification

SOL = 0


def leveraged(
    sz: str = "100", *, faucet: int = 1_000, bob: int = 10_000_000, leverage: int = 20, times: int = 1
) -> Bench:
    """Alice is long at 180 and has little else; Bob, who is rich, is short. They trade `sz` so many times."""
    venue = bench(faucet=faucet)
    venue.state.deposit(BOB, bob * E8)
    venue.state.deposit(CAROL, 10_000_000 * E8)
    for who in (ALICE, BOB):
        venue.run(who, UpdateLeverage(SOL, is_cross=True, leverage=leverage))
    for _ in range(times):
        venue.place(BOB, limit("180", sz, buy=False))
        venue.place(ALICE, limit("180", sz, tif=Tif.IOC))
    assert venue.position(ALICE) == parse_e8(sz) * times
    return venue


def liquidation_px(venue: Bench, who: str) -> int:
    px = margin.liquidation_px_e8(venue.state, venue.state.accounts[who], venue.state.market(SOL))
    assert px is not None
    return px


def has_enough(venue: Bench, who: str, px_e8: int) -> bool:
    """Whether an account would have its maintenance margin at this mark."""
    account = venue.state.accounts[who]
    venue.state.marks[SOL].pin(px_e8)
    return margin.cross_equity_e8(venue.state, account) >= margin.maintenance_margin_e8(venue.state, account)


def mark(venue: Bench, px: str) -> None:
    """Move mark and oracle, and let the block that sees it run."""
    venue.state.marks[SOL].pin(parse_e8(px))
    venue.state.events.marks_moved = True
    venue.step()


def test_above_maintenance_margin_nothing_happens() -> None:
    venue = leveraged()
    mark(venue, "175")
    assert venue.position(ALICE) == 100 * E8


def test_below_maintenance_margin_the_book_takes_the_position_and_resting_orders_are_cancelled() -> None:
    venue = leveraged()
    resting = oid_of(venue.place(ALICE, limit("160", "0.1")))
    venue.place(CAROL, limit("174", "200"))
    mark(venue, "174")
    assert venue.position(ALICE) == 0
    assert venue.status(ALICE, resting) == "liquidatedCanceled"
    assert venue.block is not None
    made = [f for f in venue.block.events.fills if f.address == CAROL]
    told = fill(venue.state, made[0])
    assert told["liquidation"] == {"liquidatedUser": ALICE, "markPx": "174.0", "method": "market"}
    assert [n.address for n in venue.block.events.liquidations] == [ALICE]


def test_a_large_position_goes_in_parts_of_a_fifth_and_then_whole_for_half_a_minute() -> None:
    venue = leveraged("1000", faucet=10_000)
    venue.place(CAROL, limit("174", "5000"))
    mark(venue, "174")
    assert venue.position(ALICE) == 800 * E8
    mark(venue, "173")
    assert venue.position(ALICE) == 0


def test_the_liquidation_price_is_where_liquidation_begins() -> None:
    venue = leveraged()
    px = liquidation_px(venue, ALICE)
    venue.place(CAROL, limit("170", "200"))
    above = venue.state.market(SOL).round_px(px, up=True) + parse_e8("0.01")
    venue.state.marks[SOL].pin(above)
    venue.state.events.marks_moved = True
    venue.step()
    assert venue.position(ALICE) == 100 * E8
    venue.state.marks[SOL].pin(above - parse_e8("0.02"))
    venue.state.events.marks_moved = True
    venue.step()
    assert venue.position(ALICE) == 0


def test_the_liquidation_price_is_that_of_the_tier_the_position_falls_into() -> None:
    venue = leveraged("250000", faucet=25_000_000, bob=200_000_000, leverage=10, times=2)
    px = liquidation_px(venue, ALICE)
    # 90,000,000 at 180, where 10x holds; below 70,000,000, so below 140, it is 20x.
    assert 133 * E8 < px < 134 * E8
    assert has_enough(venue, ALICE, px + 100)
    assert not has_enough(venue, ALICE, px - 100)


def test_a_short_falls_into_a_dearer_tier() -> None:
    venue = leveraged("150000", faucet=200_000_000, bob=40_000_000, times=2)
    px = liquidation_px(venue, BOB)
    # 54,000,000 at 180, where 20x holds; 10x from 70,000,000, so from 233.33.
    assert px > 234 * E8
    assert has_enough(venue, BOB, px - 100)
    assert not has_enough(venue, BOB, px + 100)


def test_the_liquidated_is_notified_and_nobody_else() -> None:
    venue = leveraged()
    venue.place(CAROL, limit("174", "200"))
    mark(venue, "174")
    assert venue.block is not None
    streams = Streams(venue.venue)
    told = list(streams.messages(venue.block, [Notification(user=who) for who in (ALICE, BOB, CAROL)]))
    ((stream, frame),) = told
    assert (stream, frame.channel) == (Notification(user=ALICE), "notification")
    assert frame.data["notification"].startswith("Liquidated: positions of 17400.0 USD")
    venue.venue.answers = replace(venue.venue.answers, notify_liquidations=False)
    assert not list(streams.messages(venue.block, [Notification(user=ALICE)]))


def test_without_a_book_the_liquidator_takes_positions_and_all_margin_below_two_thirds() -> None:
    venue = leveraged()
    mark(venue, "172.5")
    vault = venue.state.accounts[liquidator_address(venue.state.market(SOL).dex)]
    assert (venue.position(ALICE), vault.szi_e8(SOL)) == (0, 100 * E8)
    account = venue.state.accounts[ALICE]
    assert account.raw_e8 == 0
    assert account.fills[-1].direction == "Liquidated Cross Long"
    assert account.fills[-1].liquidation is not None
    assert account.fills[-1].liquidation.method == "backstop"


def test_between_two_thirds_and_all_of_maintenance_margin_an_empty_book_leaves_things_as_they_are() -> None:
    venue = leveraged()
    mark(venue, "174")
    assert venue.position(ALICE) == 100 * E8


def test_a_bankrupt_position_is_closed_against_the_winner_at_the_mark_before() -> None:
    venue = leveraged()
    mark(venue, "175")
    mark(venue, "160")
    assert (venue.position(ALICE), venue.position(BOB)) == (0, 0)
    last = venue.state.accounts[BOB].fills[-1]
    assert (last.px_e8, last.direction, last.fee_e8) == (175 * E8, DIRECTION, 0)


def test_winners_give_way_in_the_order_of_profit_and_leverage() -> None:
    venue = bench(faucet=2_000)
    venue.state.deposit(BOB, 10_000_000 * E8)
    venue.place(ALICE, limit("180", "100"))
    for who in (BOB, CAROL):
        venue.place(who, limit("180", "50", buy=False, tif=Tif.IOC))
    venue.state.marks[SOL].pin(parse_e8("170"))
    ranked = ranked_against(venue.state, venue.state.accounts[ALICE], venue.state.market(SOL))
    assert [account.address for account in ranked] == [CAROL, BOB]


def test_an_isolated_position_is_liquidated_alone() -> None:
    venue = bench(faucet=10_000)
    venue.state.deposit(BOB, 10_000_000 * E8)
    venue.run(ALICE, UpdateLeverage(SOL, False, 20))
    venue.place(BOB, limit("180", "100", buy=False))
    venue.place(ALICE, limit("180", "100", tif=Tif.IOC))
    free = venue.state.accounts[ALICE].raw_e8
    mark(venue, "172")
    assert venue.position(ALICE) == 0
    assert venue.state.accounts[ALICE].raw_e8 == free
    assert venue.state.accounts[ALICE].fills[-1].direction == "Liquidated Isolated Long"


def test_a_house_account_is_never_liquidated() -> None:
    venue = leveraged()
    venue.state.accounts[ALICE].is_house = True
    mark(venue, "100")
    assert venue.position(ALICE) == 100 * E8


@pytest.mark.parametrize("bid", ["200", "30", None])
def test_on_command_a_healthy_account_keeps_no_position_whatever_the_book_holds(bid: str | None) -> None:
    venue = leveraged(faucet=1_000_000)
    if bid is not None:
        venue.place(CAROL, limit("179", bid))
    liquidate(venue.state, venue.state.accounts[ALICE])
    venue.step()
    assert venue.position(ALICE) == 0
    assert venue.position(CAROL) == (0 if bid is None else min(100, int(bid)) * E8)


def test_a_position_that_has_to_go_keeps_its_owner_what_margin_the_book_leaves() -> None:
    venue = leveraged(faucet=1_000_000)
    venue.place(CAROL, limit("180", "200"))
    before = margin.equity_e8(venue.state, venue.state.accounts[ALICE])
    liquidate(venue.state, venue.state.accounts[ALICE])
    venue.step()
    assert margin.equity_e8(venue.state, venue.state.accounts[ALICE]) > before * 99 // 100
