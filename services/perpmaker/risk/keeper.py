"""Keeps the record in memory and on disk, each change in its safe order.

A change that tightens (trip, close) holds at once and is written as soon as the store lets it: a kill waits for no
disk, only the answer to whoever asked for it does. A change that loosens (rearm, open) is on disk first and holds only
then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from perpmaker.common import logs
from perpmaker.common.clock import Clock
from perpmaker.risk import record as records
from perpmaker.risk.day import Day
from perpmaker.risk.latch import ACCOUNT
from perpmaker.risk.record import LATCH_LOST, Record
from perpmaker.risk.store import RiskStore, StoreUnavailableError

_BEAT_S: Final = 0.25

_log = logs.get(__name__)


class Keeper:
    """Owner of the record."""

    def __init__(self, store: RiskStore, clock: Clock, new_trip_id: Callable[[], str]) -> None:
        self._store = store
        self._clock = clock
        self._new_trip_id = new_trip_id
        self._lock = asyncio.Lock()
        # Versions of the record: of the newest change, and of the newest one known to be on disk.
        self._changed = 0
        self._written = 0
        self._progress = asyncio.Event()
        self._flush: asyncio.Task[None] | None = None
        self.record = Record()
        self.days: dict[str, Day] = {}
        self.is_loaded = False
        self.store_live = False
        """Whether the store answered last time; False until loaded."""
        self.is_fresh = False
        """True while the store held no trace of this account and nobody has proven yet that this is right."""

    @property
    def verified_fresh(self) -> bool:
        """Whether the record in memory is known to be the whole truth."""
        return self.is_loaded and not self.is_fresh

    async def load(self) -> None:
        """Read the record; a lost one halts the account. Raises StoreUnavailableError, StoreNotDurableError."""
        loaded = await self._store.load()
        stored = loaded.record if loaded.record is not None else Record()
        if loaded.record is None and loaded.initialised:
            stored = self._latch_lost(stored)
        self.record = records.merge(records.after_restart(stored), self.record)
        self.days = {**loaded.days, **self.days}
        self.is_fresh = not loaded.initialised
        self.is_loaded = self.store_live = True
        if not self.is_fresh:
            self._changed += 1
            self._begin_flush()

    def confirm_fresh(self, *, ever_traded: bool) -> None:
        """Settle what an empty store means: a new account, or a lost latch if order-state knows of orders of ours."""
        if self.is_fresh:
            self.is_fresh = False
            self.tighten(lambda record: self._latch_lost(record) if ever_traded else record)

    def _latch_lost(self, record: Record) -> Record:
        _log.critical("kill.latch_lost")
        return records.trip(record, ACCOUNT, self._new_trip_id(), LATCH_LOST, self._clock.now_ms())

    def tighten(self, change: Callable[[Record], Record]) -> None:
        """Apply a change that restricts: in memory now, on disk as soon as the store allows."""
        self.record = change(self.record)
        self._changed += 1
        self._begin_flush()

    async def durable(self, timeout_s: float) -> bool:
        """Wait until everything applied so far is on disk; False when time ran out first."""
        wanted = self._changed
        try:
            async with asyncio.timeout(timeout_s):
                while self._written < wanted:
                    await self._progress.wait()
        except TimeoutError:
            return False
        return True

    async def loosen(self, change: Callable[[Record], Record]) -> None:
        """Apply a change that permits: on disk first. Raises StoreUnavailableError and whatever `change` raises."""
        async with self._lock:
            while True:
                before, version = self.record, self._changed
                after = change(before)
                await self._write(after)
                if self.record is before:
                    self.record = after
                    self._note_written(version)
                    return
                # Something tightened meanwhile: what is on disk is out of date, and the change is judged again.

    async def run(self) -> None:
        """Retry what could not be written and notice a silent store, for ever."""
        while True:
            await asyncio.sleep(_BEAT_S)
            if self.verified_fresh:
                self._begin_flush()
                await self._save_days_quietly()

    async def save_days(self) -> None:
        """Write the days. Raises StoreUnavailableError."""
        await self._store.save_days(self.days)

    async def stop(self) -> None:
        """Wait for the write under way."""
        if self._flush is not None:
            await asyncio.wait((self._flush,))

    def _note_written(self, version: int) -> None:
        self._written = version
        self._progress.set()
        self._progress = asyncio.Event()

    def _begin_flush(self) -> None:
        is_due = self.verified_fresh and self._written < self._changed
        if is_due and (self._flush is None or self._flush.done()):
            self._flush = asyncio.create_task(self._flush_quietly())

    async def _flush_quietly(self) -> None:
        async with self._lock:
            while self._written < self._changed:
                version = self._changed
                try:
                    await self._write(self.record)
                except StoreUnavailableError:
                    return
                self._note_written(version)

    async def _save_days_quietly(self) -> None:
        try:
            await self.save_days()
            self._note(live=True)
        except StoreUnavailableError as error:
            self._note(live=False, reason=str(error))

    async def _write(self, record: Record) -> None:
        try:
            await self._store.save_record(record)
        except StoreUnavailableError as error:
            self._note(live=False, reason=str(error))
            raise
        self._note(live=True)

    def _note(self, *, live: bool, reason: str = "") -> None:
        if live != self.store_live:
            _log.log(20 if live else 40, "store.up" if live else "store.lost", reason=reason)
            if not live:
                # It may come back without the record.
                self._changed += 1
        self.store_live = live
