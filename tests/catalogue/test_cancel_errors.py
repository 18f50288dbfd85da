"""Every text a cancel, a modify or a TWAP order is refused with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from tests.catalogue.sections import Section, documented, measured, own
from tests.support.venue_core import ALICE, BOB, Bench, bench, limit, oid_of, statuses, trigger

from perpmaker.venue.engine.actions import CancelOrders, StartTwap, StopTwap
from perpmaker.venue.engine.halts import halt
from perpmaker.venue.engine.order_rules import OrderRules
from perpmaker.venue.engine.orders import Tif
from perpmaker.venue.units import E8

CLOID = "0x" + "7" * 32
GONE = "Order was never placed, already canceled, or filled. asset=0"
TWAP_GONE = "TWAP was never placed, already canceled, or filled."
Script = Callable[[], Any]


@dataclass(frozen=True)
class RefusedItem:
    """A script answers with the status of its last item."""

    section: Section
    case: str
    text: str
    script: Script


def cancelling(target: int | str, *, before: Callable[[Bench], object] = lambda _: None, fast: bool = False) -> Script:
    def script() -> Any:
        venue = bench()
        before(venue)
        return statuses(venue.run(ALICE, CancelOrders(((0, target),), fast=fast)), single=True)

    return script


def of_somebody_else() -> Any:
    venue = bench()
    return venue.cancel(ALICE, oid_of(venue.place(BOB, limit("179"))))


def of_another_market() -> Any:
    venue = bench()
    return venue.cancel(ALICE, oid_of(venue.place(ALICE, limit("179"))), asset=1)


def filled(venue: Bench) -> None:
    venue.place(ALICE, limit("179", cloid=CLOID))
    venue.place(BOB, limit("179", buy=False))


def cancelled(venue: Bench) -> None:
    venue.place(ALICE, limit("179", cloid=CLOID))
    venue.cancel(ALICE, CLOID)


def waiting(venue: Bench) -> None:
    venue.place(BOB, limit("180", buy=False))
    venue.place(ALICE, limit("180", tif=Tif.IOC))
    venue.place(ALICE, trigger("170", cloid=CLOID))


def modifying(px: str, tif: Tif = Tif.ALO, *, before: Callable[[Bench], object] = lambda _: None) -> Script:
    def script() -> Any:
        venue = bench()
        before(venue)
        return venue.modify(ALICE, CLOID, limit(px, tif=tif, cloid=CLOID))

    return script


def resting_below_an_ask(venue: Bench) -> None:
    venue.place(BOB, limit("181", buy=False), limit("179"))
    venue.place(ALICE, limit("178", cloid=CLOID))


def twap(sz: int, minutes: int, *, before: Callable[[Bench], object] = lambda _: None, **rules: Any) -> Script:
    def script() -> Any:
        venue = bench(**rules)
        before(venue)
        started = venue.run(ALICE, StartTwap(0, True, sz, False, minutes, False))
        return started.response["data"]["status"]  # type: ignore[union-attr]

    return script


def reducing_nothing() -> Any:
    started = bench().run(ALICE, StartTwap(0, True, 11 * E8, True, 5, False))
    return started.response["data"]["status"]  # type: ignore[union-attr]


def stopping_a_twap_that_is_not() -> Any:
    stopped = bench().run(ALICE, StopTwap(0, 1))
    return stopped.response["data"]["status"]  # type: ignore[union-attr]


_CANCEL = documented("Exchange endpoint", "Cancel order(s)")
_MODIFY = measured("testnet, modifies of live and of ended orders")
_TWAP = documented("Exchange endpoint", "Place a TWAP order")

ROWS = (
    RefusedItem(_CANCEL, "an oid never given", GONE, cancelling(1)),
    RefusedItem(_CANCEL, "a client id never given", GONE, cancelling(CLOID)),
    RefusedItem(_CANCEL, "a filled order", GONE, cancelling(CLOID, before=filled)),
    RefusedItem(_CANCEL, "a cancelled order", GONE, cancelling(CLOID, before=cancelled)),
    RefusedItem(measured("testnet, another user's oid"), "somebody else's order", GONE, of_somebody_else),
    RefusedItem(
        measured("testnet, a wrong asset for a right oid"),
        "another market's order",
        GONE.replace("asset=0", "asset=1"),
        of_another_market,
    ),
    RefusedItem(
        own("words of a fast cancel of a trigger order, which is of Exchange endpoint"),
        "a trigger order, fast",
        "Cannot fast cancel trigger order asset=0",
        cancelling(CLOID, before=waiting, fast=True),
    ),
    RefusedItem(_MODIFY, "an unknown order", "Cannot modify canceled or filled order", modifying("178")),
    RefusedItem(_MODIFY, "a filled order", "Cannot modify canceled or filled order", modifying("178", before=filled)),
    RefusedItem(
        _MODIFY,
        "a replacement that is refused",
        "Error placing new order during modify: Post only order would have immediately matched, "
        "bbo was 179.0@181.0. asset=0",
        modifying("181", before=resting_below_an_ask),
    ),
    RefusedItem(
        own("words of a replacement that takes, which is of Exchange endpoint"),
        "a replacement that may not rest",
        "Replacement order must be Alo or non-executable Gtc unless always_place is set",
        modifying("178", Tif.IOC, before=resting_below_an_ask),
    ),
    RefusedItem(_TWAP, "shorter than five minutes", "Invalid TWAP duration: 4 min(s)", twap(11 * E8, 4)),
    RefusedItem(_TWAP, "longer than a week", "Invalid TWAP duration: 10081 min(s)", twap(11 * E8, 10_081)),
    RefusedItem(
        measured("one client's list of errors"),
        "worth less than $10 a minute",
        "TWAP order value too small. Min is $1200, which is $10 per minute.",
        twap(6 * E8, 120, orders=OrderRules(twap_min_per_minute=True)),
    ),
    RefusedItem(
        own("words of the smallest TWAP order, which is of Order types"),
        "worth less than $100",
        "TWAP order value too small. Min is $100.",
        twap(E8 // 2, 5),
    ),
    RefusedItem(measured("as of an order"), "no size", "Order has zero size.", twap(0, 5)),
    RefusedItem(measured("as of an order"), "a size between lots", "Order has invalid size.", twap(11 * E8 + 1, 5)),
    RefusedItem(
        own("a market that is halted or delisted"),
        "a halted market",
        "Trading is halted. asset=0",
        twap(11 * E8, 5, before=lambda venue: halt(venue.state, venue.state.market(0))),
    ),
    RefusedItem(
        documented("Error responses", "reduceOnlyRejected"),
        "nothing to reduce",
        "Reduce only order would increase position. asset=0",
        reducing_nothing,
    ),
    RefusedItem(
        documented("Exchange endpoint", "Cancel a TWAP order"),
        "a TWAP order never placed",
        TWAP_GONE,
        stopping_a_twap_that_is_not,
    ),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.case)
def test_a_refused_item_says_so(row: RefusedItem) -> None:
    assert row.script() == {"error": row.text}, row.section


@pytest.mark.parametrize("minutes", [5, 10_080])
def test_the_shortest_and_the_longest_twap_order_run(minutes: int) -> None:
    assert "running" in twap(11 * E8, minutes)()


@pytest.mark.parametrize("by_cloid", [False, True])
def test_a_fast_cancel_of_what_is_gone_says_the_same(by_cloid: bool) -> None:
    assert cancelling(CLOID if by_cloid else 1, fast=True)() == {"error": GONE}
