"""Armed switches: when they strike, whom they concern, how they end, and that the seed decides."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest

from perpmaker.venue.faults.board import Board
from perpmaker.venue.faults.switches import (
    TABLE,
    AnySwitch,
    Channel,
    Delay,
    DropAfterCommit,
    DropMessages,
    Freeze,
    Hang,
    covers,
    name_of,
)

ALICE, BOB = ("0x" + digit * 40 for digit in "ab")


def test_the_table_has_a_row_for_every_switch_and_every_name_is_its_own() -> None:
    assert [row.kind for row in TABLE] == list(get_args(AnySwitch))
    assert len({name_of(row.kind) for row in TABLE}) == len(TABLE)


def test_a_switch_ends_after_its_number_of_strikes() -> None:
    board = Board(1)
    board.arm(DropAfterCommit(n=2))
    assert [board.strike(DropAfterCommit, "ws_post") is not None for _ in range(3)] == [True, True, False]
    assert board.armed == []
    assert board.struck == {"drop_after_commit": 2}


def test_a_switch_ends_after_its_time() -> None:
    board = Board(1, now_ms=1_000)
    board.arm(Freeze(for_ms=500))
    board.move_to(1_499)
    assert board.holding(Freeze, "bbo")
    board.move_to(1_500)
    assert not board.holding(Freeze, "bbo")


def test_a_switch_for_one_account_leaves_the_others_alone() -> None:
    board = Board(1)
    board.arm(DropAfterCommit(address=ALICE))
    assert board.strike(DropAfterCommit, "ws_post", {BOB}) is None
    assert board.strike(DropAfterCommit, "ws_post", {BOB, ALICE})


@pytest.mark.parametrize(
    ("chosen", "met", "expected"),
    [
        (None, "bbo", True),
        ("bbo", "bbo", True),
        ("bbo", "l2Book", False),
        ("ws_market", "bbo", True),
        ("ws_market", "orderUpdates", False),
        ("ws_user", "orderUpdates", True),
        ("ack", "ws_post", True),
        ("ack", "rest_info", False),
        ("rest", "rest_info", True),
    ],
)
def test_a_channel_is_met_by_itself_and_by_its_group(chosen: str | None, met: str, expected: bool) -> None:
    assert covers(chosen, met) is expected


def test_probability_is_drawn_from_the_seed_and_independent_of_other_switches() -> None:
    def strikes(seed: int, *, with_another: bool) -> list[bool]:
        board = Board(seed)
        board.arm(DropMessages(channel="bbo", probability=0.3))
        if with_another:
            board.arm(Hang(probability=0.5))
        return [(board.strike(Hang, "ws_post"), board.strike(DropMessages, "bbo"))[1] is not None for _ in range(500)]

    assert strikes(5, with_another=False) == strikes(5, with_another=True)
    assert strikes(5, with_another=False) != strikes(6, with_another=False)
    assert 100 < sum(strikes(5, with_another=False)) < 200


@pytest.mark.parametrize(
    ("shape", "least", "most"), [("fixed", 100, 100), ("uniform", 0, 100), ("exponential", 0, 1000)]
)
def test_a_delay_has_the_shape_it_is_given(shape: str, least: int, most: int) -> None:
    board = Board(4)
    board.arm(msgspec.convert({"op": "delay", "channel": "bbo", "ms": 100, "shape": shape}, Delay))
    drawn = [board.delay_ms("bbo") for _ in range(400)]
    assert min(drawn) >= least and max(drawn) <= most
    assert (len(set(drawn)) > 1) is (shape != "fixed")
    assert board.delay_ms("l2Book") == 0


def test_a_new_delay_replaces_the_old_one_of_its_channel_and_zero_ends_it() -> None:
    board = Board(4)
    board.arm(Delay(channel="bbo", ms=100))
    board.arm(Delay(channel="bbo", ms=5))
    assert board.delay_ms("bbo") == 5
    board.arm(Delay(channel="bbo", ms=0))
    assert board.delay_ms("bbo") == 0
    assert board.armed == []


def test_switches_are_cleared_by_name_by_number_or_all() -> None:
    board = Board(1)
    first, second = board.arm(Freeze()), board.arm(Freeze())
    board.arm(Hang())
    assert board.clear(number=first.number) == 1
    assert board.clear(name="hang") == 1
    assert [armed.number for armed in board.armed] == [second.number]
    assert board.clear() == 1


def test_every_channel_of_the_schema_belongs_to_a_stream_or_a_way_of_asking() -> None:
    groups = ("ack", "rest", "ws_market", "ws_user")
    reached = {met for met in get_args(Channel) for group in groups if covers(group, met)}
    assert set(get_args(Channel)) - reached <= {"ack", "rest", "ws_market", "ws_user"}
