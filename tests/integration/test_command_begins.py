"""The command while it is still being loaded, as the first process of a container, which no default ends."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from pathlib import Path

import pytest
from tests.support.waiting import HANG_S

LOADING_FOR_EVER = """
import sys

class Endless:
    def find_spec(self, name, *_):
        if name == "typer":
            print("loading", flush=True)
            while True:
                pass

sys.meta_path.insert(0, Endless())
from perpmaker.cli.__main__ import main
main()
"""
IN_A_CONTAINER = ("unshare", "--pid", "--fork", "--kill-child")


async def test_told_to_end_while_it_is_loaded_it_ends_at_once() -> None:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("needs root and unshare: the command is not tried as the first process of a container")
    process = await asyncio.create_subprocess_exec(
        *(*IN_A_CONTAINER, sys.executable, "-c", LOADING_FOR_EVER),
        stdout=asyncio.subprocess.PIPE,
        # Not ours: what measures coverage handles the signal itself, and then relies on the default.
        env={"PATH": os.environ["PATH"]},
    )
    try:
        assert process.stdout is not None
        assert await asyncio.wait_for(process.stdout.readline(), HANG_S) == b"loading\n"
        os.kill(_child_of(process.pid), signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), HANG_S) == 128 + signal.SIGTERM
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _child_of(pid: int) -> int:
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(child)
