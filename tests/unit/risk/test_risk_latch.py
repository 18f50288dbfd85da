"""The latch's table, and the record that holds latches and closed markets."""

from __future__ import annotations

import itertools

import pytest

from perpmaker.risk import latch as latches
from perpmaker.risk import record as records
from perpmaker.risk.latch import TRANSITIONS, IllegalLatchEventError, Latch, LatchEvent, LatchState, next_state
from perpmaker.risk.record import Record, TripNotExecutedError, UnknownTripError, UnreadableRecordError


@pytest.mark.parametrize(("state", "event"), list(itertools.product(LatchState, LatchEvent)))
def test_the_table_is_the_whole_machine(state: LatchState, event: LatchEvent) -> None:
    if (state, event) in TRANSITIONS:
        assert next_state(state, event) is TRANSITIONS[state, event]
    else:
        with pytest.raises(IllegalLatchEventError) as refused:
            next_state(state, event)
        assert (refused.value.state, refused.value.event) == (state, event)


def test_only_an_acknowledgement_of_a_halted_latch_arms_it() -> None:
    arming = {pair for pair, after in TRANSITIONS.items() if after is LatchState.ARMED}
    assert arming == {(LatchState.HALTED, LatchEvent.ACKNOWLEDGE)}


def test_a_second_trip_joins_the_first() -> None:
    latch = latches.trip(latches.trip(Latch(), "t1", "loss", 5), "t2", "manual", 9)
    assert (latch.trip_id, latch.reason, latch.tripped_time_ms) == ("t1", "loss", 5)


def tripped(scope: str = "BTC", trip_id: str = "t1") -> Record:
    return records.trip(Record(), scope, trip_id, "manual", 5)


def test_the_accounts_trip_names_every_market() -> None:
    record = records.trip(tripped(), "", "t2", "loss", 6)
    assert record.trip_id_for("BTC") == record.trip_id_for("ETH") == "t2"
    assert tripped().trip_id_for("ETH") is None


def test_the_latched_id_is_acknowledged_once_and_then_known_as_released() -> None:
    record, released = records.acknowledge(records.verified_empty(tripped(), "t1"), "t1")
    assert record.last_rearmed_trip_id == "t1"
    assert released
    assert not record.latch("BTC").is_latched
    assert records.acknowledge(record, "t1") == (record, False)
    assert records.scope_of(record, "t1") == "BTC"


def test_another_id_is_refused_and_told_what_is_latched() -> None:
    with pytest.raises(UnknownTripError) as refused:
        records.acknowledge(records.verified_empty(tripped(), "t1"), "t0")
    assert refused.value.latched == ("t1",)


@pytest.mark.parametrize("record", [Record(), tripped()])
def test_an_empty_id_acknowledges_nothing(record: Record) -> None:
    with pytest.raises(UnknownTripError):
        records.acknowledge(record, "")


def test_a_trip_that_is_still_emptying_cannot_be_acknowledged() -> None:
    with pytest.raises(TripNotExecutedError):
        records.acknowledge(tripped(), "t1")


def test_after_a_restart_no_book_is_taken_as_empty() -> None:
    record = records.after_restart(records.verified_empty(tripped(), "t1"))
    assert record.latch("BTC").state is LatchState.TRIPPED


def test_doubt_and_proof_leave_an_armed_market_alone() -> None:
    assert records.in_doubt(Record(), "BTC") == Record()
    assert records.verified_empty(tripped(), "t9") == tripped()


def test_closing_is_undone_by_opening_and_by_nothing_else() -> None:
    record = records.close(records.close(Record(), "BTC", "d1"), "BTC", "d2")
    assert record.closed == {"BTC": "d2"}
    assert records.reopen(record, "ETH") == record
    assert records.reopen(record, "BTC").closed == {}


def test_a_record_survives_its_encoding() -> None:
    record = records.close(records.verified_empty(tripped(), "t1"), "ETH", "d1")
    assert records.decode(records.encode(record)) == record


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b'{"version":2}', b'{"unheard":1}', b'{"latches":{"":{"state":"x"}}}']
)
def test_a_damaged_record_is_unreadable_never_empty(raw: bytes) -> None:
    with pytest.raises(UnreadableRecordError):
        records.decode(raw)


def test_merging_keeps_the_stricter_of_store_and_memory() -> None:
    merged = records.merge(
        records.close(tripped("BTC", "stored"), "ETH", "d1"),
        records.trip(records.close(tripped("BTC", "memory"), "SOL", "d2"), "ETH", "memory-2", "manual", 7),
    )
    assert merged.latch("BTC").trip_id == "stored"
    assert merged.latch("ETH").trip_id == "memory-2"
    assert merged.closed == {"ETH": "d1", "SOL": "d2"}
