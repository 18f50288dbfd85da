"""The supervisor with small child programs: restarts, refusals to start, stops, and no orphan of a killed runner."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.support.local import READY_LINE, Events, program, ready
from tests.support.waiting import HANG_S

from perpmaker.local.events import Exited, Restarted
from perpmaker.local.processes import Child, ChildFailedError, Condition

READY = frozenset({Condition.READY})


async def test_a_killed_child_is_started_again_and_reported(tmp_path: Path) -> None:
    events = Events()
    child = await ready(program(tmp_path, READY_LINE, "time.sleep(600)"), events)
    first = child.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    restarted = await events.until(lambda event: isinstance(event, Restarted))
    await child.reach(READY, HANG_S)
    assert isinstance(restarted, Restarted)
    assert restarted.pid == child.pid != first
    assert [event.code for event in events.seen if isinstance(event, Exited)] == [-signal.SIGKILL]
    await child.stop()


async def test_readiness_is_that_of_the_newest_incarnation(tmp_path: Path) -> None:
    marker = tmp_path / "started-before"
    spec = program(
        tmp_path,
        f"again = pathlib.Path({str(marker)!r}).exists()",
        f"pathlib.Path({str(marker)!r}).touch()",
        "if again: time.sleep(600)",
        READY_LINE,
        "time.sleep(600)",
    )
    events = Events()
    child = await ready(spec, events)
    os.kill(child.pid or 0, signal.SIGKILL)
    await events.until(lambda event: isinstance(event, Restarted))
    with pytest.raises(ChildFailedError):
        await child.reach(READY, 0.3)
    child.kill()
    await child.stop()


async def test_a_child_that_cannot_start_is_given_up_with_the_reason_from_its_log(tmp_path: Path) -> None:
    reason = '{"level": "error", "event": "service.cannot_start", "reason": "key file is readable by others"}'
    child = Child(program(tmp_path, f"print({reason!r}, file=sys.stderr)", "sys.exit(2)"), Events())
    await child.start()
    with pytest.raises(ChildFailedError, match="key file is readable by others") as failure:
        await child.reach(READY, HANG_S)
    assert failure.value.log == tmp_path / "child.log"
    assert child.condition is Condition.FAILED


async def test_a_key_in_the_last_words_is_not_repeated(tmp_path: Path) -> None:
    child = Child(program(tmp_path, "print('bad key ' + 'ab' * 32)", "sys.exit(2)"), Events())
    await child.start()
    with pytest.raises(ChildFailedError) as failure:
        await child.reach(READY, HANG_S)
    assert "ab" * 32 not in str(failure.value)


async def test_a_child_whose_state_was_in_its_memory_is_not_restarted(tmp_path: Path) -> None:
    events = Events()
    child = await ready(program(tmp_path, READY_LINE, "time.sleep(600)", restartable=False), events)
    os.kill(child.pid or 0, signal.SIGKILL)
    failure = await child.given_up
    assert "cannot be restarted" in failure.why
    assert not any(isinstance(event, Restarted) for event in events.seen)


async def test_a_child_that_ignores_sigterm_is_killed_after_its_deadline(tmp_path: Path) -> None:
    child = await ready(
        program(tmp_path, "signal.signal(signal.SIGTERM, signal.SIG_IGN)", READY_LINE, "time.sleep(600)"), Events()
    )
    assert await child.stop(deadline_s=0.2) == -signal.SIGKILL
    assert child.condition is Condition.STOPPED


async def test_a_child_that_ends_on_sigterm_may_finish_its_work(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    child = await ready(
        program(
            tmp_path,
            f"signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path({str(trace)!r}).touch(), sys.exit(0)))",
            READY_LINE,
            "time.sleep(600)",
        ),
        Events(),
    )
    assert await child.stop() == 0
    assert trace.exists()


async def test_ctrl_c_does_not_reach_children(tmp_path: Path) -> None:
    child = await ready(program(tmp_path, READY_LINE, "time.sleep(600)"), Events())
    assert os.getpgid(child.pid or 0) != os.getpgrp()
    await child.stop()


def test_no_child_outlives_a_killed_runner(tmp_path: Path) -> None:
    runner = tmp_path / "runner.py"
    runner.write_text(
        "import asyncio, sys, pathlib\n"
        "from tests.support.local import READY_LINE, Events, program, ready\n"
        "async def main():\n"
        f"    spec = program(pathlib.Path({str(tmp_path)!r}), READY_LINE, 'time.sleep(600)')\n"
        "    print((await ready(spec, Events())).pid, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    process = subprocess.Popen(
        [sys.executable, str(runner)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(("services", "."))},
    )
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    process.kill()
    process.wait()
    deadline = time.monotonic() + HANG_S
    while is_running(pid):
        assert time.monotonic() < deadline, "the child is still there"
    process.stdout.close()


def is_running(pid: int) -> bool:
    """Whether a process exists and is not merely waiting to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_waiting_for_a_silent_child_names_it_and_its_log(tmp_path: Path) -> None:
    child = Child(program(tmp_path, "print('still thinking', flush=True)", "time.sleep(600)", name="risk"), Events())
    await child.start()
    await asyncio.to_thread(_until_written, tmp_path / "risk.log")
    with pytest.raises(ChildFailedError, match=r"risk: not ready within 0 s .*still thinking.*risk\.log"):
        await child.reach(READY, 0.1)
    await child.stop()


def _until_written(path: Path) -> None:
    deadline = time.monotonic() + HANG_S
    while not path.read_text().endswith("\n"):
        assert time.monotonic() < deadline
