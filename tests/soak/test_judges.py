"""The judges of a soak find what is wrong, and nothing else."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from tests.soak.findings import Findings
from tests.soak.ledger import GRACE_MS, Ledger
from tests.soak.orders import Known, Orders
from tests.soak.soak import Course, Minute, Soak
from tests.soak.verdict import PROMISES, WARM_UP_MINUTES, verdict
from tests.soak.vitals import Vitals
from tests.soak.witness import ON_ITS_WAY_MS

from perpmaker.proto.gateway.v1 import gateway_pb2 as pb
from perpmaker.venue.engine.orders import Order as VenueOrder
from perpmaker.venue.engine.orders import Tif
from perpmaker.venue.engine.statuses import Status

CLOID = "0x" + "0" * 31 + "1"
KEY = (7, "open", 1_000)


class Desk:
    """A ledger whose time is set by hand."""

    def __init__(self, *, taken: bool = False) -> None:
        self.now_ms = 1_000
        self.findings = Findings(lambda: self.now_ms / 1000)
        self.ledger = Ledger(self.findings, lambda: self.now_ms, lambda _channel, _ms: taken)

    def after(self, ms: int) -> Desk:
        self.now_ms += ms
        return self


def lost(desk: Desk) -> int:
    desk.after(2 * GRACE_MS).ledger.settle()
    return desk.findings.violated["nothing is lost without a gap"]


def test_a_message_that_was_heard_is_not_missed() -> None:
    desk = Desk()
    desk.ledger.committed("orderUpdates", KEY, 1_000)
    desk.after(50).ledger.heard("orderUpdates", KEY, 1_000)
    assert lost(desk) == 0


def test_a_message_that_was_not_heard_is_missed_once_it_is_old() -> None:
    desk = Desk()
    desk.ledger.committed("orderUpdates", KEY, 1_000)
    desk.after(GRACE_MS // 2).ledger.settle()
    assert not desk.findings.violated
    assert lost(desk) == 1


@pytest.mark.parametrize(("opened_after_ms", "missed"), [(ON_ITS_WAY_MS, 0), (ON_ITS_WAY_MS + 1, 1)])
def test_a_gap_holds_what_was_on_its_way_when_it_opened(opened_after_ms: int, missed: int) -> None:
    desk = Desk()
    desk.ledger.committed("orderUpdates", KEY, 1_000)
    desk.after(opened_after_ms).ledger.open_hole()
    desk.ledger.close_holes(desk.now_ms)
    assert lost(desk) == missed


def test_a_gap_holds_nothing_that_came_after_what_closed_it() -> None:
    desk = Desk()
    desk.ledger.open_hole()
    desk.ledger.close_holes(1_999)
    desk.ledger.committed("orderUpdates", KEY, 2_000)
    assert lost(desk) == 1


@pytest.mark.parametrize(("is_closed", "missed"), [(True, 1), (False, 0)])
def test_a_closed_gap_brings_every_fill(is_closed: bool, missed: int) -> None:
    desk = Desk()
    desk.ledger.open_hole()
    desk.ledger.committed("userFills", KEY, 1_000)
    if is_closed:
        desk.ledger.close_holes(1_500)
    assert lost(desk) == missed


def test_what_a_fault_took_off_the_wire_is_not_missed() -> None:
    desk = Desk(taken=True)
    desk.ledger.committed("orderUpdates", KEY, 1_000)
    assert lost(desk) == 0
    assert desk.findings.counts["taken orderUpdates"] == 1


def test_a_message_that_nobody_committed_is_invented() -> None:
    desk = Desk()
    desk.ledger.heard("orderUpdates", KEY, 1_000)
    assert desk.findings.violated["nothing is invented"] == 1


def record(status: Status) -> VenueOrder:
    return VenueOrder(7, "0xa", 0, True, 1, 1, 1, Tif.ALO, False, CLOID, 0, status, 0, 1)


def orders(found: VenueOrder | None) -> Orders:
    made = Orders(Findings(lambda: 0.0), lambda: 0, lambda _cloid: found)
    made.add("BTC", pb.PlaceOrder(cloid=CLOID))
    return made


@pytest.mark.parametrize(
    ("known", "status", "wrong"),
    [
        (Known.ENDED, Status.OPEN, 1),
        (Known.ENDED, Status.CANCELED, 0),
        (Known.NEVER, Status.FILLED, 1),
        (Known.NEVER, Status.BAD_ALO_REJECTED, 0),
        (Known.UNKNOWN, Status.OPEN, 0),
    ],
)
def test_an_order_told_to_be_dead_is_held_against_the_exchanges_record(
    known: Known, status: Status, wrong: int
) -> None:
    held = orders(record(status))
    held.learn(CLOID, known, "test")
    held.compare()
    assert held.findings.violated["no live order is forgotten"] == wrong


def test_an_unknown_order_stays_alive_until_there_is_evidence() -> None:
    held = orders(None)
    outcome = pb.Outcome(cloid=CLOID, unknown=pb.Unknown(reason="timeout"))
    held.outcomes(pb.Outcomes(action=pb.ACTION_KIND_PLACE, items=[outcome]))
    assert [order.known for order in held.alive()] == [Known.UNKNOWN]
    held.status(pb.OrderUpdate(cloid=CLOID, status="filled"), "stream")
    assert held.alive() == []


def minutes(**last: Any) -> list[Minute]:
    usual = Vitals(100 * 2**20, 60, 30, Counter())
    found = [Minute(n + 1, float(n), usual) for n in range(2 * WARM_UP_MINUTES)]
    found[-1] = replace(found[-1], vitals=replace(usual, **last))
    return found


def broken(**last: int) -> set[str]:
    done = Soak(Course(10, 1), Findings(lambda: 0.0), minutes(**last), {})
    return {row.promise for row in verdict(done) if not row.is_kept} - {"the market is busy"}


@pytest.mark.parametrize(
    ("last", "promises"),
    [
        ({}, set()),
        ({"rss_bytes": 110 * 2**20}, {"memory grows by at most 5%"}),
        ({"rss_bytes": 105 * 2**20}, set()),
        ({"tasks": 101}, {"tasks are bounded"}),
        ({"descriptors": 51}, {"descriptors are bounded"}),
    ],
)
def test_growth_beyond_its_bound_breaks_a_promise(last: dict[str, int], promises: set[str]) -> None:
    assert broken(**last) == promises


def test_a_violation_breaks_its_promise_and_silence_is_no_proof() -> None:
    done = Soak(Course(3, 1), Findings(lambda: 0.0), minutes()[:3], {})
    done.findings.violate(PROMISES[0], "something")
    assert {row.promise for row in verdict(done) if not row.is_kept} == {PROMISES[0], "the market is busy"}
