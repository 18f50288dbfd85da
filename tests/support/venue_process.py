"""The venue as a process of its own, for tests of what only a process does: starting, refusing, ending."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.waiting import HANG_S

_PROGRAM = "from perpmaker.venue.app import main, VenueOptions; main(VenueOptions({}))"


@asynccontextmanager
async def python(text: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A Python program with both outputs piped, killed at the end if it still runs."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", text, stdout=pipe, stderr=pipe)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def program(options: str = "", *, before: str = "") -> AsyncIterator[asyncio.subprocess.Process]:
    """A venue with these options (Python arguments). `before` runs in its process before it starts."""
    async with python(f"{before}\n{_PROGRAM.format(options)}") as process:
        yield process


async def addresses(process: asyncio.subprocess.Process) -> dict[str, str]:
    """What the venue says when it listens."""
    assert process.stdout is not None
    async with asyncio.timeout(HANG_S):
        return dict(json.loads(await process.stdout.readline()))
