"""Keeps the record in memory and on disk, each change in its safe order.

A change that tightens (trip, close) holds at once and is written as soon as the store lets it: a kill does not wait for
a broken disk. A change that loosens (rearm, open) is on disk first and holds only then.
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

WAIT_FOR_DISK_S: Final = 0.15
"""How long a kill waits for its record before it goes on; a healthy store answers within a few milliseconds."""
_BEAT_S: Final = 0.25

_log = logs.get(__name__)


class Keeper:
    """Owner of the record."""

    def __init__(self, store: RiskStore, clock: Clock, new_trip_id: Callable[[], str]) -> None:
        self._store = store
        self._clock = clock
        self._new_trip_id = new_trip_id
        self._lock = asyncio.Lock()
        self._dirty = False
        self._flushes: set[asyncio.Task[None]] = set()
        self._saved_days: dict[str, Day] = {}
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
        self._dirty = loaded.record != self.record

    async def confirm_fresh(self, *, ever_traded: bool) -> None:
        """Settle what an empty store means: a new account, or a lost latch if order-state knows of orders of ours."""
        if self.is_fresh:
            self.is_fresh = False
            await self.tighten(lambda record: self._latch_lost(record) if ever_traded else record)

    def _latch_lost(self, record: Record) -> Record:
        _log.critical("kill.latch_lost")
        return records.trip(record, ACCOUNT, self._new_trip_id(), LATCH_LOST, self._clock.now_ms())

    async def tighten(self, change: Callable[[Record], Record]) -> None:
        """Apply a change that restricts: in memory now, on disk within a moment or as soon as the store is back."""
        self.record = change(self.record)
        self._dirty = True
        flush = asyncio.create_task(self._flush_quietly())
        self._flushes.add(flush)
        flush.add_done_callback(self._flushes.discard)
        await asyncio.wait((flush,), timeout=WAIT_FOR_DISK_S)

    async def loosen(self, change: Callable[[Record], Record]) -> None:
        """Apply a change that permits: on disk first. Raises StoreUnavailableError and whatever `change` raises."""
        async with self._lock:
            change(self.record)  # refuses before anything is written
            while True:
                before = self.record
                await self._write(change(before))
                if self.record is before:
                    self.record, self._dirty = change(before), False
                    return
                # Something tightened meanwhile: what is on disk is out of date, and the change is judged again.
                self._dirty = True
                change(self.record)

    async def run(self) -> None:
        """Retry what could not be written and notice a silent store, for ever."""
        while True:
            await asyncio.sleep(_BEAT_S)
            if not self.is_loaded:
                continue
            await self._flush_quietly()
            await self._save_days_quietly()

    async def save_days(self) -> None:
        """Write the days. Raises StoreUnavailableError."""
        days = dict(self.days)
        await self._store.save_days(days)
        self._saved_days = days

    async def _save_days_quietly(self) -> None:
        try:
            await self.save_days()
            self._note(live=True)
        except StoreUnavailableError as error:
            self._note(live=False, reason=str(error))

    async def _flush_quietly(self) -> None:
        async with self._lock:
            while self._dirty and not self.is_fresh and self.is_loaded:
                record = self.record
                try:
                    await self._write(record)
                except StoreUnavailableError:
                    return
                self._dirty = self.record is not record

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
            # A store that was away may have come back without the record.
            self._dirty = True
        self.store_live = live
