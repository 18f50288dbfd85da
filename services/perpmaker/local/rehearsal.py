"""A rehearsal: things that go wrong at an exchange and on a machine, done on purpose while somebody watches.

In turn, one every 20 s: the exchange executes an action and its answer is lost; a quoter is killed without warning.
Accounts on a real network are never touched.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal

import aiohttp

from perpmaker.local.events import Note, Severity, Tell
from perpmaker.local.topology import AccountProcesses, System

EVERY_S = 20.0
_DEADLINE = aiohttp.ClientTimeout(total=2.0)


async def rehearse(system: System, tell: Tell) -> None:
    """Make something go wrong every so often, until cancelled."""
    for lose_answer in itertools.cycle((True, False)):
        await asyncio.sleep(EVERY_S)
        for processes in (each for each in system.accounts if each.plan.is_simulated):
            if lose_answer:
                await _lose_answer(system, processes, tell)
            else:
                _kill_quoter(processes, tell)


async def _lose_answer(system: System, processes: AccountProcesses, tell: Tell) -> None:
    if system.venue_address is None:
        return
    operation = {"op": "drop_after_commit", "n": 1, "address": processes.address}
    try:
        async with (
            aiohttp.ClientSession(timeout=_DEADLINE) as session,
            session.post(system.venue_address.control, json=operation) as answer,
        ):
            said = await answer.json()
    except (aiohttp.ClientError, TimeoutError) as error:
        tell(Note(f"rehearsal: the exchange could not be told to lose an answer: {error}", Severity.WARNING))
        return
    if not said["ok"]:
        tell(Note(f"rehearsal: the exchange refused to lose an answer: {said['error']}", Severity.WARNING))
        return
    tell(Note("rehearsal: the exchange's next answer is lost", Severity.WARNING))


def _kill_quoter(processes: AccountProcesses, tell: Tell) -> None:
    for child in processes.quoters.values():
        if child.pid is not None:
            tell(Note(f"rehearsal: SIGKILL to {child.spec.name}", Severity.WARNING))
            os.kill(child.pid, signal.SIGKILL)
            return
