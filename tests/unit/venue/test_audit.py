"""A venue whose books do not add up stops at the block that broke them. Source: this venue's own promise."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.venue_core import ALICE, BOB, START_MS, bench, limit

from perpmaker.venue.engine.actions import PlaceOrders
from perpmaker.venue.engine.audit import Audit, BrokenInvariantError
from perpmaker.venue.engine.orders import Tif


def test_money_from_nowhere_stops_the_venue() -> None:
    venue = bench()
    venue.place(ALICE, limit("179"))
    venue.state.accounts[ALICE].raw_e8 += 1
    with pytest.raises(BrokenInvariantError, match="cash, fees and funding of token 0"):
        venue.venue.step(START_MS + 10_000)


def test_a_fill_that_does_not_start_where_the_last_one_ended_stops_the_venue() -> None:
    venue = bench()
    venue.place(BOB, limit("180", buy=False))
    venue.place(ALICE, limit("180", tif=Tif.IOC))
    assert venue.block is not None
    events = venue.block.events
    Audit().check(venue.state, events)
    events.fills[0] = replace(events.fills[0], start_position_e8=5)
    with pytest.raises(BrokenInvariantError, match="starts at 5, not at 0"):
        Audit().check(venue.state, events)


def test_a_position_changed_behind_the_fills_is_found_at_the_next_fill() -> None:
    venue = bench()
    venue.place(BOB, limit("180", buy=False))
    venue.place(ALICE, limit("180", tif=Tif.IOC))
    venue.state.accounts[ALICE].positions[0].szi_e8 += 1
    venue.state.accounts[BOB].positions[0].szi_e8 -= 1
    venue.send(BOB, PlaceOrders((limit("180", buy=False),)))
    venue.send(ALICE, PlaceOrders((limit("180"),)))
    with pytest.raises(BrokenInvariantError, match="starts at"):
        venue.venue.step(START_MS + 10_000)
