"""The exchange cancels everything when nobody is left to do it: `scheduleCancel`, pushed on by a heartbeat.

Guarantees: its deadline is never later than what the exchange accepted; a refusal is kept for status, and asking goes
on, slowly while nothing is armed; a push without an answer is repeated soon, since a deadline of an earlier process may
be running; since the gateway alone does not know what to cancel, the deadline is never later than order-state's last
sign of life plus the patience with it (or the switch's own time, if that is longer), and nothing is pushed while it is
away; it is cleared only when told that the book is empty, or that the trader wants no switch any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime

from perpmaker.api.parts import DeadMansSwitchPart
from perpmaker.common import logs
from perpmaker.common.attendance import PATIENCE_S, Attendance
from perpmaker.gateway import metrics
from perpmaker.gateway.connections.order_entry import Answered
from perpmaker.gateway.connections.rest import Rest
from perpmaker.gateway.desk import SigningDesk
from perpmaker.gateway.exchange_clock import ExchangeClock
from perpmaker.gateway.outcomes import Accepted, Malformed, Refused, read_answer
from perpmaker.hyperliquid.wire import ScheduleCancelAction

FIRINGS_PER_DAY = 10
_REFUSED_PAUSE_S = 30.0
_UNANSWERED_PAUSE_S = 1.0
_UNATTENDED_PAUSE_S = 0.5
_TIMEOUT_S = 3.0
_LEAST_NOTICE_S = 6.0
"""The exchange takes no deadline nearer than 5 s; the rest is the way there."""

_log = logs.get(__name__)


class DeadMansSwitch:
    """Heartbeat and what the exchange said to it."""

    def __init__(
        self,
        part: DeadMansSwitchPart,
        desk: SigningDesk,
        rest: Rest,
        exchange_clock: ExchangeClock,
        attendance: Attendance,
    ) -> None:
        self._part = part
        self._desk = desk
        self._rest = rest
        self._clock = exchange_clock
        self._attendance = attendance
        self._woken = asyncio.Event()
        attendance.on_return = self._woken.set
        self._deadline_ms = 0
        self._asked_ms = 0
        self._firing_times: set[int] = set()
        self._was_answered = True
        self.refusal = ""
        """Why the exchange refuses; empty when it does not."""

    @property
    def deadline_ms(self) -> int:
        """When the exchange cancels everything, ms; 0 when not armed or already past."""
        return self._deadline_ms if self._deadline_ms > self._clock.now_ms() else 0

    @property
    def firings_left(self) -> int:
        """Firings left in the running UTC day, as far as seen from here."""
        today = _utc_day(self._clock.now_ms())
        return max(0, FIRINGS_PER_DAY - sum(_utc_day(time_ms) == today for time_ms in self._firing_times))

    def fired(self, time_ms: int) -> None:
        """An order was cancelled by the switch; orders of one firing share its time."""
        if time_ms not in self._firing_times:
            self._firing_times.add(time_ms)
            _log.error("dead_mans_switch.fired", time_ms=time_ms, left_today=self.firings_left)
            metrics.DEADMAN_FIRINGS_LEFT.set(self.firings_left)

    def apply(self, part: DeadMansSwitchPart) -> None:
        """Work by other settings from now on."""
        self._part = part
        self._woken.set()

    async def run(self) -> None:
        """Push the deadline on, or withdraw it for good while the switch is not wanted, until cancelled."""
        metrics.DEADMAN_FIRINGS_LEFT.set(self.firings_left)
        was_attended = True
        while True:
            self._woken.clear()
            is_attended = self._attendance.is_given
            if not self._part.enabled:
                await self.clear()
            elif is_attended:
                await self.push()
            elif was_attended:
                _log.error("dead_mans_switch.unattended", deadline_ms=self.deadline_ms)
            was_attended = is_attended
            pause_s = self.pause_s if is_attended or not self._part.enabled else _UNATTENDED_PAUSE_S
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._woken.wait()

    @property
    def last_deadline_ms(self) -> int:
        """Newest deadline the exchange may have heard since the switch was cleared, past or not, ms; 0: none."""
        return max(self._deadline_ms, 0 if self._was_answered else self._asked_ms)

    @property
    def _may_be_armed(self) -> bool:
        """Whether the exchange may hold a deadline; a push without an answer may have been heard."""
        return bool(self.deadline_ms) or (not self._was_answered and self._asked_ms > self._clock.now_ms())

    @property
    def pause_s(self) -> float:
        """Time from the last push to the next."""
        if not self._was_answered:
            return min(_UNANSWERED_PAUSE_S, self._part.refresh_s)
        is_hopeless = self.refusal and not self.deadline_ms
        return _REFUSED_PAUSE_S if is_hopeless else self._part.refresh_s

    async def push(self) -> None:
        """Move the deadline to now + timeout, or less far when order-state was not heard for a while."""
        timeout_s = float(self._part.timeout_s)
        left_s = max(PATIENCE_S, timeout_s) - self._attendance.silence_s
        if left_s < min(timeout_s, _LEAST_NOTICE_S):
            return
        deadline_ms = self._asked_ms = self._clock.now_ms() + round(min(timeout_s, left_s) * 1000)
        refusal = await self._schedule(ScheduleCancelAction(time=deadline_ms))
        if refusal is None:
            self._deadline_ms = deadline_ms
        elif refusal != self.refusal:
            _log.warning("dead_mans_switch.refused", text=refusal)
        self.refusal = refusal or ""
        metrics.DEADMAN_DEADLINE.set(self.deadline_ms / 1000)

    async def clear(self) -> None:
        """Withdraw the deadline; only when the book is empty or the switch is not wanted."""
        if self._may_be_armed and await self._schedule(ScheduleCancelAction()) is None:
            self._deadline_ms = 0
            metrics.DEADMAN_DEADLINE.set(0)

    async def _schedule(self, action: ScheduleCancelAction) -> str | None:
        self._was_answered = False
        self._rest.admit_action(1, protects=True)
        result = await self._rest.exchange(self._desk.sign(action).body, _TIMEOUT_S)
        if not isinstance(result, Answered):
            return "no answer from the exchange"
        self._was_answered = True
        match read_answer(result.payload):
            case Accepted():
                return None
            case Refused(text):
                self._desk.refused(text)
                return text
            case Malformed():
                return "malformed answer"


def _utc_day(time_ms: int) -> datetime.date:
    return datetime.datetime.fromtimestamp(time_ms / 1000, datetime.UTC).date()
