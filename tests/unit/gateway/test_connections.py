"""Posts, subscriptions and reconnects, without a network."""

from __future__ import annotations

import pytest
from websockets.protocol import State

from perpmaker.gateway.connections.backoff import FIRST_S, LONGEST_S, reconnect_delay_s
from perpmaker.gateway.connections.order_entry import Answered, HttpFailure, Lost, NotConnectedError, OrderEntry
from perpmaker.gateway.connections.socket import Link
from perpmaker.gateway.connections.subscriptions import CONFIRM_DEADLINE_S, Confirmation, Pending, subscribe_frame


class Wire:
    """The other end of a socket: keeps what was written."""

    def __init__(self) -> None:
        self.state = State.OPEN
        self.written: list[bytes] = []

    async def send(self, frame: bytes, *, text: bool) -> None:
        assert text
        self.written.append(frame)


async def _entry() -> tuple[OrderEntry, Wire]:
    entry, wire = OrderEntry(), Wire()
    await entry.opened(Link(wire))  # type: ignore[arg-type]
    return entry, wire


def _answer(post_id: int, text: str = '{"status":"ok"}', kind: str = "action") -> bytes:
    return b'{"channel":"post","data":{"id":%d,"response":{"type":"%b","payload":%b}}}' % (
        post_id,
        kind.encode(),
        text.encode(),
    )


async def test_post_wraps_the_signed_bytes_untouched() -> None:
    entry, wire = await _entry()
    await entry.post(b'{"action":{"type":"noop"}}')
    assert wire.written == [
        b'{"method":"post","id":1,"request":{"type":"action","payload":{"action":{"type":"noop"}}}}'
    ]


async def test_answers_find_their_posts_in_any_order() -> None:
    entry, _ = await _entry()
    first, second = await entry.post(b"{}"), await entry.post(b"{}")
    entry.received(_answer(2, '{"status":"two"}'), 0)
    assert entry.in_flight == 1
    entry.received(_answer(1, '{"status":"one"}'), 0)
    assert first.result.result() == Answered(b'{"status":"one"}')
    assert second.result.result() == Answered(b'{"status":"two"}')


async def test_loss_ends_every_post_at_once() -> None:
    entry, _ = await _entry()
    posts = [await entry.post(b"{}") for _ in range(3)]
    entry.lost("idle")
    assert [post.result.result() for post in posts] == [Lost()] * 3
    assert not entry.is_connected
    with pytest.raises(NotConnectedError):
        await entry.post(b"{}")


async def test_write_that_breaks_leaves_the_outcome_open() -> None:
    """The socket looked open, so bytes may have left."""
    entry, wire = await _entry()

    class Breaking(Wire):
        async def send(self, frame: bytes, *, text: bool) -> None:
            raise OSError("broken pipe")

    await entry.opened(Link(Breaking()))  # type: ignore[arg-type]
    post = await entry.post(b"{}")
    assert post.result.result() == Lost()
    assert wire.written == []


@pytest.mark.parametrize(
    ("text", "status"), [('"422 Failed to deserialize"', 422), ('"500 null"', 500), ('"oops"', 500), ("null", 500)]
)
async def test_http_failures_keep_their_status(text: str, status: int) -> None:
    entry, _ = await _entry()
    post = await entry.post(b"{}")
    entry.received(_answer(1, text, kind="error"), 0)
    result = post.result.result()
    assert isinstance(result, HttpFailure)
    assert result.status == status


async def test_error_frame_ends_the_post_it_names() -> None:
    entry, _ = await _entry()
    post, other = await entry.post(b"{}"), await entry.post(b"{}")
    entry.received(b'{"channel":"error","data":"too many pending post requests id=1"}', 0)
    assert isinstance(post.result.result(), HttpFailure)
    assert not other.result.done()


async def test_unreadable_frame_ends_nothing() -> None:
    entry, _ = await _entry()
    post = await entry.post(b"{}")
    for frame in (b"junk", b'{"channel":"post","data":{}}', b'{"channel":"pong"}', _answer(99)):
        entry.received(frame, 0)
    assert not post.result.done()
    assert entry.in_flight == 1


def test_reconnects_slow_down_to_a_bound_and_never_march_in_step() -> None:
    assert reconnect_delay_s(0, 0.0) == FIRST_S
    assert reconnect_delay_s(50, 0.0) == LONGEST_S
    assert reconnect_delay_s(50, 1.0) == LONGEST_S / 2
    delays = [reconnect_delay_s(attempt, 0.5) for attempt in range(12)]
    assert delays == sorted(delays)


def _confirmed(**subscription: object) -> Confirmation:
    return Confirmation("subscribe", subscription)


def test_subscriptions_are_confirmed_by_normalised_echoes() -> None:
    pending = Pending(
        [{"type": "l2Book", "coin": "BTC", "fast": True}, {"type": "orderUpdates", "user": "0xab"}], now_s=0.0
    )
    pending.confirm(_confirmed(type="l2Book", coin="ETH", fast=True))
    pending.confirm(_confirmed(type="orderUpdates", user="0xAB", extra=None))
    assert pending.is_overdue(1_000.0)
    pending.confirm(_confirmed(type="l2Book", coin="BTC", nSigFigs=None, mantissa=None, fast=True))
    assert pending.is_empty
    assert not pending.is_overdue(1_000.0)


def test_unconfirmed_subscription_is_overdue_after_its_deadline() -> None:
    pending = Pending([{"type": "bbo", "coin": "BTC"}], now_s=10.0)
    assert not pending.is_overdue(10.0 + CONFIRM_DEADLINE_S)
    assert pending.is_overdue(10.1 + CONFIRM_DEADLINE_S)


def test_added_subscriptions_leave_a_complete_connection_complete_but_have_a_deadline() -> None:
    pending = Pending([], now_s=0.0)
    pending.add([{"type": "bbo", "coin": "ETH"}], now_s=20.0)
    assert pending.is_empty
    assert pending.is_overdue(20.1 + CONFIRM_DEADLINE_S)
    pending.confirm(_confirmed(type="bbo", coin="ETH"))
    assert not pending.is_overdue(20.1 + CONFIRM_DEADLINE_S)


def test_the_end_of_a_subscription_confirms_nothing() -> None:
    pending = Pending([{"type": "bbo", "coin": "ETH"}], now_s=0.0)
    pending.confirm(Confirmation("unsubscribe", {"type": "bbo", "coin": "ETH"}))
    assert not pending.is_empty


def test_a_dropped_subscription_is_not_waited_for() -> None:
    pending = Pending([{"type": "bbo", "coin": "ETH"}], now_s=0.0)
    pending.drop([{"type": "bbo", "coin": "ETH"}])
    assert pending.is_empty
    assert not pending.is_overdue(1_000.0)


def test_subscribe_frame_is_the_documented_one() -> None:
    assert (
        subscribe_frame({"type": "bbo", "coin": "BTC"})
        == b'{"method":"subscribe","subscription":{"type":"bbo","coin":"BTC"}}'
    )
