"""Whatever the order of arrival, a block runs post-only orders, then cancels, then takers, and no fill is lost."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.venue_core import ALICE, BOB, CAROL, bench, limit, oid_of, statuses, trigger

from perpmaker.venue.engine.actions import ActionClass, CancelOrders, PlaceOrders, class_of
from perpmaker.venue.engine.answers import Answer
from perpmaker.venue.engine.orders import NewOrder, Tif
from perpmaker.venue.units import E8

_QUOTES = ("179", "179.5", "180", "180.5")


@dataclass(frozen=True)
class Deed:
    """Somebody's action in a block; a cancel names one of Alice's quotes by its place."""

    who: str
    order: NewOrder | None = None
    cancels: int = 0


takers = st.builds(
    lambda who, px, lots, tif: Deed(who, limit(px, str(lots / 10), buy=False, tif=tif)),
    st.sampled_from([BOB, CAROL]),
    st.sampled_from(["178", "179.5", "180.5"]),
    st.integers(1, 60),
    st.sampled_from([Tif.IOC, Tif.GTC]),
)
posters = st.builds(
    lambda who, px: Deed(who, limit(px, buy=False, tif=Tif.ALO)),
    st.sampled_from([BOB, CAROL]),
    st.sampled_from(["179", "181", "182"]),
)
cancels = st.integers(0, len(_QUOTES) - 1).map(lambda place: Deed(ALICE, cancels=place))


@given(st.lists(takers | posters | cancels, max_size=12))
@settings(max_examples=150, deadline=None)
def test_a_cancel_beats_every_taker_of_its_block_and_a_fill_is_never_cancelled_away(deeds: list[Deed]) -> None:
    venue = bench()
    oids = [oid_of(venue.place(ALICE, limit(px, tif=Tif.ALO))) for px in _QUOTES]
    answers: list[tuple[Deed, list[Answer]]] = []
    for deed in deeds:
        action = CancelOrders(((0, oids[deed.cancels]),)) if deed.order is None else PlaceOrders((deed.order,))
        answers.append((deed, venue.send(deed.who, action)))
    block = venue.step()
    cancelled: set[int] = set()
    for deed, answer in answers:
        if deed.order is None:
            expected_gone = oids[deed.cancels] in cancelled
            cancelled.add(oids[deed.cancels])
            assert (statuses(answer[0], single=True) == "success") != expected_gone
    filled = {fill.oid for fill in block.events.fills}
    assert not filled & cancelled
    sold = sum(fill.sz_e8 for fill in block.events.fills if fill.address == ALICE)
    left = sum(order.sz_e8 for order in venue.state.accounts[ALICE].open_orders.values())
    assert sold + left == (len(_QUOTES) - len(cancelled)) * E8
    assert venue.position(ALICE) == sold


@given(st.lists(takers | posters | cancels, min_size=1, max_size=12))
@settings(max_examples=100, deadline=None)
def test_oids_are_taken_in_the_order_of_the_classes(deeds: list[Deed]) -> None:
    venue = bench()
    venue.place(ALICE, limit("100"))
    for deed in deeds:
        if deed.order is not None:
            venue.send(deed.who, PlaceOrders((deed.order,)))
    block = venue.step()
    placed = {update.order.oid: update.order for update in block.events.updates if update.order.address != ALICE}
    classes = [ActionClass.PASSIVE if placed[oid].tif is Tif.ALO else ActionClass.TAKING for oid in sorted(placed)]
    assert classes == sorted(classes)
    assert len(placed) == sum(deed.order is not None for deed in deeds)


def test_a_trigger_order_is_sent_to_no_book_and_so_is_not_a_taker() -> None:
    assert class_of(PlaceOrders((trigger("175"), limit("180", tif=Tif.ALO)))) is ActionClass.PASSIVE
    assert class_of(PlaceOrders((limit("180"), limit("180", tif=Tif.ALO)))) is ActionClass.TAKING
