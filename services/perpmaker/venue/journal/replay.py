"""Runs a journal again on a fresh venue, and compares every answer and every digest with what was recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, assert_never, get_args

import msgspec

from perpmaker.venue.core import Venue
from perpmaker.venue.engine import actions
from perpmaker.venue.engine.audit import BrokenInvariantError
from perpmaker.venue.engine.digest import state_hash
from perpmaker.venue.engine.execute import Answer
from perpmaker.venue.faults.engine_ops import AnyEngineOp, apply
from perpmaker.venue.faults.switches import name_of
from perpmaker.venue.journal.entries import (
    DECODER,
    ENCODER,
    FORMAT,
    Act,
    Answered,
    Begin,
    Broken,
    Entry,
    Hash,
    House,
    Operation,
    Seen,
    Step,
)
from perpmaker.venue.journal.writer import segment_path
from perpmaker.venue.options import VenueOptions
from perpmaker.venue.shell.conductor import shown
from perpmaker.venue.shell.desk import signed_action
from perpmaker.venue.wire.decode import decode_envelope

_ENGINE_OP: msgspec.json.Decoder[AnyEngineOp] = msgspec.json.Decoder(AnyEngineOp)
_ENGINE_OPS = frozenset(name_of(kind) for kind in get_args(AnyEngineOp))
_MOST_DIFFERENCES = 20


class BadJournalError(Exception):
    """The file is no journal that this version can run; the text says why."""


@dataclass(slots=True)
class Verdict:
    """What a replay found. `differences` are in words, at most twenty; `was_stopped` tells an orderly end.

    `broke` is how the last block broke its invariants in the replay, as it may have in the recording; else empty.
    """

    height: int = 0
    state_hash: str = ""
    hashes_checked: int = 0
    answers_checked: int = 0
    was_stopped: bool = False
    broke: str = ""
    differences: list[str] = field(default_factory=list)

    def differ(self, text: str) -> None:
        if len(self.differences) < _MOST_DIFFERENCES:
            self.differences.append(text)


def replay(path: Path, build: Callable[[VenueOptions], Venue]) -> Verdict:
    """Run a journal to its end. Raises `BadJournalError` and `OSError`."""
    entries = read(path)
    first = next(entries, None)
    if not isinstance(first, Begin):
        raise BadJournalError(f"{path} does not begin like a journal")
    if first.format != FORMAT:
        raise BadJournalError(f"{path} has format {first.format}; this version reads {FORMAT}")
    options = msgspec.convert(first.options, VenueOptions, dec_hook=lambda kind, value: kind(value))
    run = _Run(build(options))
    for entry in entries:
        run.take(entry)
        if run.verdict.broke:
            run.compare_break(next(entries, None))
            break
    return run.finish()


def read(path: Path) -> Iterator[Entry]:
    """Every whole line of all segments. A torn last line is left out; raises `BadJournalError` for any other."""
    segments = [path]
    while (following := segment_path(path, len(segments))).exists():
        segments.append(following)
    for segment in segments:
        with segment.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.endswith(b"\n"):
                    return
                try:
                    yield DECODER.decode(line)
                except msgspec.DecodeError as error:
                    raise BadJournalError(f"{segment}:{number}: {error}") from None


@dataclass(slots=True)
class _Run:
    venue: Venue
    verdict: Verdict = field(default_factory=Verdict)
    _answers: dict[int, Any] = field(default_factory=dict)

    def take(self, entry: Entry) -> None:
        venue = self.venue
        match entry:
            case Step(t):
                try:
                    venue.step(t)
                except BrokenInvariantError as error:
                    self.verdict.broke = str(error)
            case Act(number, body, signers):
                venue.submit(signed_action(decode_envelope(body), signers), self._keep(number))
            case House(number, address, kind, action):
                decoded = msgspec.json.decode(action, type=getattr(actions, kind))
                venue.submit_house(address, decoded, self._keep(number))
            case Operation():
                self._operate(entry)
            case Seen(addresses):
                venue.admission.announced.update(addresses)
            case Answered(number, answer):
                self._compare(number, msgspec.json.decode(answer))
            case Hash():
                self._check(entry)
            case Broken(height, error):
                self.verdict.differ(f"the block after {height} broke with {error!r}; now it does not")
            case Begin():
                raise BadJournalError("a journal begins once")
            case _:
                assert_never(entry)

    def compare_break(self, recorded: Entry | None) -> None:
        """Whether the recording broke at the same block in the same way."""
        told = recorded.error if isinstance(recorded, Broken) else "nothing"
        if told != self.verdict.broke:
            self.verdict.differ(f"{self.verdict.broke}; recorded was {told}")

    def finish(self) -> Verdict:
        self.verdict.height = self.venue.state.height
        self.verdict.state_hash = state_hash(self.venue)
        return self.verdict

    def _keep(self, number: int) -> Callable[[Answer], None]:
        def keep(answer: Answer) -> None:
            self._answers[number] = msgspec.json.decode(ENCODER.encode(shown(answer)))

        return keep

    def _operate(self, entry: Operation) -> None:
        if msgspec.json.decode(entry.op)["op"] not in _ENGINE_OPS:
            return
        op = _ENGINE_OP.decode(entry.op)
        result = msgspec.json.decode(ENCODER.encode(apply(self.venue, op)))
        if result != msgspec.json.decode(entry.result):
            self.verdict.differ(f"{entry.op!r} gave {result}")

    def _compare(self, number: int, recorded: Any) -> None:
        self.verdict.answers_checked += 1
        given = self._answers.pop(number, None)
        if given != recorded:
            self.verdict.differ(f"submission {number} was answered {recorded}, now {given}")

    def _check(self, entry: Hash) -> None:
        self.verdict.hashes_checked += 1
        self.verdict.was_stopped = entry.end
        height, digest = self.venue.state.height, state_hash(self.venue)
        if (height, digest) != (entry.height, entry.hash):
            self.verdict.differ(f"at height {entry.height} the hash was {entry.hash}; now {height} has {digest}")
