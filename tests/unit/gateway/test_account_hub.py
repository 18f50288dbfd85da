"""The account stream is ordered, bounded and honest about its holes."""

from __future__ import annotations

from perpmaker.gateway.account_hub import FILL_OVERLAP_MS, AccountHub, Snapshot, event
from perpmaker.proto.common.v1 import common_pb2 as common
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb

NOW = 1_760_000_000_000


def _fill(tid: int, time_ms: int = NOW) -> common.Fill:
    return common.Fill(market="BTC", tid=tid, exchange_time_ms=time_ms)


def _publish_fill(hub: AccountHub, tid: int, time_ms: int = NOW) -> None:
    hub.publish(event("BTC", time_ms, 1, fill=_fill(tid, time_ms)))


def _snapshot(*fills: common.Fill) -> Snapshot:
    return Snapshot(pb.OpenOrders(as_of_ms=NOW, queried=True), fills, pb.AccountState(exchange_time_ms=NOW))


def _kinds(messages: list[pb.AccountServiceSubscribeResponse]) -> list[str | None]:
    return [message.WhichOneof("event") for message in messages]


def test_subscriber_begins_in_a_gap_that_a_snapshot_closes() -> None:
    hub = AccountHub()
    subscriber = hub.subscribe(0)
    assert hub.wanted.is_set()
    assert hub.close_gap(hub.generation, _snapshot(_fill(1)), 1)
    assert _kinds(subscriber.drain()) == ["gap_opened", "fill", "open_orders", "account", "gap_closed"]
    assert not hub.wanted.is_set()


def test_sequence_rises_strictly() -> None:
    hub = AccountHub()
    subscriber = hub.subscribe(0)
    for tid in range(5):
        _publish_fill(hub, tid)
    sequence = [message.trace.sequence for message in subscriber.drain()]
    assert sequence == sorted(set(sequence))


def test_live_events_flow_while_the_gap_is_open() -> None:
    hub = AccountHub()
    subscriber = hub.subscribe(0)
    _publish_fill(hub, 1)
    assert _kinds(subscriber.drain()) == ["gap_opened", "fill"]


def test_snapshot_read_before_the_newest_gap_closes_nothing() -> None:
    hub = AccountHub()
    subscriber = hub.subscribe(0)
    before = hub.generation
    hub.open_gap("socket_closed")
    assert not hub.close_gap(before, _snapshot(_fill(1)), 1)
    assert subscriber.in_gap
    assert _kinds(subscriber.drain()) == ["gap_opened", "gap_opened"]
    assert hub.close_gap(hub.generation, _snapshot(), 1)


def test_fills_are_needed_from_the_oldest_watermark_with_overlap() -> None:
    hub = AccountHub()
    hub.subscribe(NOW)
    hub.subscribe(NOW - 60_000)
    assert hub.fills_needed_since_ms() == NOW - 60_000 - FILL_OVERLAP_MS


def test_all_fills_are_needed_by_a_reader_that_has_none() -> None:
    hub = AccountHub()
    hub.subscribe(0)
    assert hub.fills_needed_since_ms() == 0


def test_fills_taken_in_a_gap_do_not_move_the_watermark_past_those_missed() -> None:
    hub = AccountHub()
    subscriber = hub.subscribe(NOW)
    hub.close_gap(hub.generation, _snapshot(), 1)
    _publish_fill(hub, 1, NOW + 1_000)
    subscriber.drain()
    assert subscriber.watermark_ms == NOW + 1_000
    hub.open_gap("socket_closed")
    _publish_fill(hub, 3, NOW + 90_000)
    subscriber.drain()
    assert hub.fills_needed_since_ms() == NOW + 1_000 - FILL_OVERLAP_MS


def test_reader_too_slow_loses_its_queue_and_gets_a_gap() -> None:
    hub = AccountHub(queue_limit=10)
    slow, fast = hub.subscribe(NOW), hub.subscribe(NOW)
    hub.close_gap(hub.generation, _snapshot(), 1)
    slow.drain()
    fast.drain()
    for tid in range(11):
        _publish_fill(hub, tid, NOW + tid)
        fast.drain()
    messages = slow.drain()
    assert messages[0].gap_opened.reason == "overflow"
    assert slow.in_gap
    assert not fast.in_gap
    assert hub.fills_needed_since_ms() <= NOW


def test_overflow_by_the_snapshot_itself_leaves_the_gap_open() -> None:
    hub = AccountHub(queue_limit=5)
    subscriber = hub.subscribe(NOW)
    assert not hub.close_gap(hub.generation, _snapshot(*(_fill(tid) for tid in range(10))), 1)
    assert subscriber.in_gap
    assert "gap_closed" not in _kinds(subscriber.drain())


def test_gap_of_one_reader_is_not_closed_twice_for_the_other() -> None:
    hub = AccountHub()
    first = hub.subscribe(0)
    hub.close_gap(hub.generation, _snapshot(), 1)
    first.drain()
    second = hub.subscribe(0)
    hub.close_gap(hub.generation, _snapshot(_fill(1)), 1)
    assert first.drain() == []
    assert "gap_closed" in _kinds(second.drain())


def test_nobody_waits_when_the_last_reader_left() -> None:
    hub = AccountHub()
    hub.unsubscribe(hub.subscribe(0))
    assert not hub.wanted.is_set()
