"""Schedules of faults: read from YAML, drawn from a seed, thrown at their time."""

from __future__ import annotations

import pytest

from perpmaker.venue.faults.schedule import (
    BadScheduleError,
    PlannedSchedule,
    RandomSchedule,
    parse_random,
    read_plan,
)
from perpmaker.venue.shell.control import operation_of
from perpmaker.venue.shell.operations import KINDS

PLAN = """
seed: 3
faults:
  - at_ms: 1000
    do: {op: freeze, channel: ws_user}
    for_ms: 200
  - every_ms: 400
    until_ms: 1200
    do: {op: disconnect, all: true}
"""


def test_a_plan_is_thrown_at_its_times_in_order() -> None:
    schedule = PlannedSchedule(read_plan(PLAN))
    thrown = [(t, op["op"]) for t in range(0, 2_001, 100) for op in schedule.due(t)]
    assert thrown == [
        (0, "disconnect"),
        (400, "disconnect"),
        (800, "disconnect"),
        (1000, "freeze"),
        (1200, "disconnect"),
    ]


def test_times_that_passed_between_two_looks_are_not_lost() -> None:
    schedule = PlannedSchedule(read_plan(PLAN))
    assert [op["op"] for op in schedule.due(5_000)] == ["disconnect"] * 3 + ["freeze", "disconnect"]


def test_the_duration_of_an_entry_is_given_to_its_switch() -> None:
    (entry, _) = read_plan(PLAN).faults
    assert entry.operation == {"op": "freeze", "channel": "ws_user", "for_ms": 200}


def test_probability_of_an_entry_follows_the_seed_of_the_plan() -> None:
    def thrown(seed: int) -> list[int]:
        text = f"seed: {seed}\nfaults: [{{every_ms: 1, until_ms: 500, probability: 0.4, do: {{op: hang}}}}]"
        schedule = PlannedSchedule(read_plan(text))
        return [len(schedule.due(t)) for t in range(501)]

    assert thrown(1) == thrown(1)
    assert thrown(1) != thrown(2)
    assert 150 < sum(thrown(1)) < 250


@pytest.mark.parametrize(
    "text",
    [
        "faults: [",
        "faults: 3",
        "faults: [{at_ms: 5}]",
        "faults: [{do: {op: hang}, every: 3}]",
        "faults: [{do: {}, at_ms: -1}]",
    ],
)
def test_a_plan_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(BadScheduleError):
        read_plan(text)


def test_random_faults_come_from_the_seed_as_often_as_the_intensity_says() -> None:
    def thrown(seed: int, intensity: float) -> list[str]:
        return [str(op) for op in RandomSchedule(seed, intensity, ("BTC",)).due(1_000_000)]

    assert thrown(1, 1.0) == thrown(1, 1.0)
    assert thrown(1, 1.0) != thrown(2, 1.0)
    assert 70 < len(thrown(1, 1.0)) < 130
    assert 700 < len(thrown(1, 10.0)) < 1_300


def test_random_faults_are_all_operations_that_exist() -> None:
    thrown = RandomSchedule(1, 100.0, ("BTC",)).due(1_000_000)
    assert len({op["op"] for op in thrown}) > 20
    for op in thrown:
        assert isinstance(operation_of(op), KINDS[op["op"]])


@pytest.mark.parametrize("text", ["random:", "random:x", "random:1:0", "random:1:nan", "random:1:-2"])
def test_a_random_schedule_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(BadScheduleError):
        parse_random(text, ("BTC",))
