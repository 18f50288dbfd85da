"""Every text an order is refused with, and whether the refusal leaves a record."""

from __future__ import annotations

import pytest
from tests.catalogue.refused_orders import CLOID, RECORDED, UNRECORDED, WORDINGS, RefusedOrder
from tests.catalogue.sections import Section, constants_of, template_of, unnamed
from tests.catalogue.test_cancel_errors import ROWS as CANCELS
from tests.support.venue_core import ALICE, bench, limit

from perpmaker.venue.engine import texts
from perpmaker.venue.engine.order_rules import OrderRules
from perpmaker.venue.engine.statuses import Status


@pytest.mark.parametrize("row", RECORDED, ids=lambda row: row.status.value)
def test_a_runtime_refusal_says_so_and_leaves_a_record(row: RefusedOrder) -> None:
    venue, answer = row.script()
    assert answer == {"error": row.text}, row.section
    assert venue.status(ALICE, CLOID) == row.status


@pytest.mark.parametrize("row", UNRECORDED, ids=lambda row: row.text[:60])
def test_a_refusal_before_the_engine_leaves_no_record_and_takes_no_oid(row: RefusedOrder) -> None:
    venue, answer = row.script()
    assert answer == {"error": row.text}, row.section
    account = venue.state.accounts[ALICE]
    assert not [order for order in account.records.values() if order.cloid == CLOID and not order.is_open]
    known = [oid for account in venue.state.accounts.values() for oid in account.records]
    assert venue.state.next_oid == max(known, default=bench().state.next_oid)


@pytest.mark.parametrize(("section", "status", "text"), WORDINGS, ids=lambda value: str(value)[:40])
def test_words_that_are_reported_otherwise_can_be_chosen(section: Section, status: Status, text: str) -> None:
    venue = bench(orders=OrderRules(texts={status: text}))
    venue.state.gates.refuse_next(ALICE, status)
    assert venue.place(ALICE, limit("179")) == {"error": f"{text} asset=0"}, section


def test_every_rejection_has_a_row() -> None:
    assert {row.status for row in RECORDED} == {status for status in Status if status.is_rejection} == set(texts.TEXTS)


def test_every_text_of_orders_cancels_modifies_and_twaps_has_a_row() -> None:
    rows = [row.text for row in (*RECORDED, *UNRECORDED)] + [row.text for row in CANCELS]
    assert unnamed(constants_of(texts), rows) == []


def test_what_nobody_has_recorded_is_marked_in_rows_and_product_alike() -> None:
    rows = [*((row.section, row.text) for row in UNRECORDED), *((row.section, row.text) for row in CANCELS)]
    for section, text in rows:
        is_own = template_of([*texts.TEXTS.values(), *constants_of(texts)], text) in texts.OWN_WORDS
        assert is_own == (section.kind == "own"), text
    assert {row.status for row in RECORDED if row.section.kind == "own"} == texts.SYNTHETIC
