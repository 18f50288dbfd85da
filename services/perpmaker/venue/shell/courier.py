"""Brings stream messages to connections, the way the armed switches want it: late, twice, out of order, or not."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from perpmaker.venue.faults.board import Board
from perpmaker.venue.faults.switches import Delay, DropMessages, Duplicate, Freeze, Garble, Shuffle
from perpmaker.venue.faults.timeline import Timeline

_NOBODY: frozenset[str] = frozenset()


class Receiver(Protocol):
    """Whoever takes frames. `lanes_ms` is when the newest late frame of each channel is due."""

    lanes_ms: dict[str, int]

    def send(self, frame: bytes) -> None:
        """Queue a text frame."""


@dataclass(slots=True)
class _Held:
    receiver: Receiver
    channel: str
    frame: bytes
    addresses: frozenset[str]


@dataclass(slots=True)
class Courier:
    """Between the venue's streams and its connections."""

    board: Board
    timeline: Timeline
    _held: list[_Held] = field(default_factory=list)

    def deliver(self, receiver: Receiver, channel: str, frame: bytes, user: str | None, latency_ms: int = 0) -> None:
        """Send a stream's message, or do with it what the armed switches say; `user` is whose stream it is."""
        board = self.board
        if not board.armed and not self._held:
            self._send(receiver, channel, frame, latency_ms)
            return
        addresses = _NOBODY if user is None else frozenset((user,))
        if board.strike(DropMessages, channel, addresses):
            return
        if self._is_frozen(receiver, channel, addresses):
            self._held.append(_Held(receiver, channel, frame, addresses))
            return
        if board.strike(Garble, channel, addresses):
            frame = frame[: len(frame) // 2]
        twice = board.strike(Duplicate, channel, addresses)
        for _ in range(1 + (twice.copies if twice else 0)):
            self._send_badly(receiver, channel, frame, addresses, latency_ms)

    def release(self) -> None:
        """After a block: let go what was held for a freeze that is over."""
        if self._held and not all(self.board.holding(Freeze, h.channel, h.addresses) for h in self._held):
            free, self._held = self._held, []
            for held in free:
                if self.board.holding(Freeze, held.channel, held.addresses):
                    self._held.append(held)
                else:
                    self._send(held.receiver, held.channel, held.frame, 0)

    def _is_frozen(self, receiver: Receiver, channel: str, addresses: frozenset[str]) -> bool:
        # Behind a held message of the same stream everything waits, else a freeze would reorder.
        if any(h.receiver is receiver and h.channel == channel and h.addresses == addresses for h in self._held):
            return True
        return self.board.strike(Freeze, channel, addresses) is not None

    def _send_badly(
        self, receiver: Receiver, channel: str, frame: bytes, addresses: frozenset[str], latency_ms: int
    ) -> None:
        if self.board.holding(Delay, channel, addresses):
            latency_ms += self.board.delay_ms(channel, addresses)
        shuffle = self.board.holding(Shuffle, channel, addresses)
        if shuffle is not None:
            rng = self.board.draw(shuffle)
            if self.board.strike(Shuffle, channel, addresses) is not None:
                wait_ms = latency_ms + rng.randint(0, shuffle.window_ms)
                self.timeline.call_later(wait_ms, partial(receiver.send, frame))
                return
        self._send(receiver, channel, frame, latency_ms)

    def _send(self, receiver: Receiver, channel: str, frame: bytes, latency_ms: int) -> None:
        """Send in the order of the channel: what is late makes late what follows."""
        now_ms = self.timeline.now_ms
        due_ms = max(now_ms + latency_ms, receiver.lanes_ms.get(channel, 0))
        if due_ms <= now_ms:
            receiver.send(frame)
        else:
            receiver.lanes_ms[channel] = due_ms
            self.timeline.call_at(due_ms, partial(receiver.send, frame))
