"""The latch under any history: only its own trip id, after an empty book, ever arms it."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from perpmaker.risk import record as records
from perpmaker.risk.latch import Latch, LatchState
from perpmaker.risk.record import Record, TripNotExecutedError, UnknownTripError

SCOPES = st.sampled_from(("", "BTC", "ETH"))
TRIP_IDS = st.integers(0, 8).map("trip-{}".format)


class LatchHistory(RuleBasedStateMachine):
    """Trips, proofs, doubts, restarts, closes and acknowledgements in any order, against a plain model."""

    def __init__(self) -> None:
        super().__init__()
        self.record = Record()
        self.latched: dict[str, str] = {}
        self.empty: set[str] = set()
        self.trips = 0

    @rule(scope=SCOPES)
    def trip(self, scope: str) -> None:
        self.record = records.trip(self.record, scope, f"trip-{self.trips}", "manual", self.trips)
        self.latched.setdefault(scope, f"trip-{self.trips}")
        self.empty.discard(scope)
        self.trips += 1

    @rule(scope=SCOPES)
    def prove_empty(self, scope: str) -> None:
        if scope in self.latched:
            self.record = records.verified_empty(self.record, self.latched[scope])
            self.empty.add(scope)

    @rule(scope=SCOPES)
    def doubt(self, scope: str) -> None:
        self.record = records.in_doubt(self.record, scope)
        self.empty.discard(scope)

    @rule()
    def restart(self) -> None:
        self.record = records.after_restart(records.decode(records.encode(self.record)))
        self.empty.clear()

    @rule(scope=SCOPES)
    def close_and_open(self, scope: str) -> None:
        self.record = records.reopen(records.close(self.record, scope, "d"), scope)

    @rule(trip_id=TRIP_IDS)
    def acknowledge(self, trip_id: str) -> None:
        scope = next((s for s, latched in self.latched.items() if latched == trip_id), None)
        try:
            self.record, released = records.acknowledge(self.record, trip_id)
        except UnknownTripError:
            assert scope is None
        except TripNotExecutedError:
            assert scope not in self.empty
        else:
            assert released == (scope is not None)
            if scope is not None:
                assert scope in self.empty
                del self.latched[scope]
                self.empty.discard(scope)

    @invariant()
    def latches_are_those_of_the_model(self) -> None:
        assert {s: self.record.latch(s).trip_id for s in self.record.latched_scopes()} == self.latched

    @invariant()
    def a_latch_is_halted_exactly_while_its_book_is_known_empty(self) -> None:
        for scope in self.latched:
            expected = LatchState.HALTED if scope in self.empty else LatchState.TRIPPED
            assert self.record.latch(scope).state is expected

    @invariant()
    def an_armed_latch_shows_no_trip(self) -> None:
        for latch in self.record.latches.values():
            if not latch.is_latched:
                assert latch == Latch(released_trip_id=latch.released_trip_id)


TestLatchHistory = LatchHistory.TestCase
