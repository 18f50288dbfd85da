"""A gateway and an exchange on one virtual clock, trading for as long as wanted under random faults.

Everything is the product's own and talks over loopback: the exchange with its sockets, its REST and its order flow, the
gateway composed as its process composes it, spoken to beneath its gRPC services, whose library keeps real time.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
from tests.soak import complaints, vitals
from tests.soak.findings import Findings
from tests.soak.owner import Owner
from tests.soak.stage import Stage
from tests.soak.vitals import Vitals
from tests.soak.witness import Witness
from tests.support.gateway import running_gateway
from tests.support.venue import TestVenue
from tests.support.virtual_time import VirtualClock

from perpmaker.api.parts import DeadMansSwitchPart
from perpmaker.venue.options import VenueOptions
from perpmaker.venue.shell.server import running_venue

MARKETS: Final = ("BTC", "ETH")
START_MS: Final = 1_760_000_000_000


@dataclass(frozen=True)
class Course:
    """What is run."""

    minutes: int
    seed: int
    intensity: float = 1.0


@dataclass(frozen=True)
class Minute:
    """One virtual minute that has passed."""

    number: int
    cpu_s: float
    """Processor time of the process so far."""
    vitals: Vitals


@dataclass
class Soak:
    """What came of it so far."""

    course: Course
    findings: Findings
    minutes: list[Minute]
    faults: dict[str, int]
    """How often each kind of fault struck."""


async def soak(course: Course, on_minute: Callable[[Soak], None]) -> Soak:
    """Run it; `on_minute` hears of every virtual minute."""
    clock = VirtualClock(START_MS)
    findings = Findings(asyncio.get_running_loop().time)
    complaints.listen(findings)
    options = VenueOptions(
        seed=course.seed,
        markets=MARKETS,
        market="calibrated",
        faucet_usdc=1_000_000,
        # A short memory is full after minutes, so that the process grows no more on account of the exchange.
        orders_kept=300,
        fills_kept=500,
    )
    done = Soak(course, findings, [], {})
    with tempfile.TemporaryDirectory(prefix="pm-soak-") as folder:
        async with running_venue(options, clock_ms=clock.now_ms) as running, aiohttp.ClientSession() as session:
            venue = TestVenue(running, session)
            witness = Witness(running.venue, running.clockwork.board)
            running.venue.on_block = witness.saw
            owner = Owner(venue, Path(folder))
            await owner.approve()
            async with running_gateway(
                venue,
                Path(folder),
                clock=clock,
                address=owner.address,
                key_file=owner.key_file,
                expected_signer=None,
                markets=MARKETS,
                max_actions_per_minute=1_200,
                dead_mans_switch=DeadMansSwitchPart(),
            ) as gateway:
                stage = Stage(gateway, owner, witness, findings, clock, MARKETS, course.seed)
                async with stage.playing():
                    await venue.control("schedule", random=f"random:{course.seed}:{course.intensity}")
                    for number in range(1, course.minutes + 1):
                        await asyncio.sleep(60)
                        done.faults = dict(running.clockwork.board.struck)
                        done.minutes.append(Minute(number, time.process_time(), vitals.measure()))
                        on_minute(done)
                    await venue.control("clear")
                    await stage.come_to_rest()
    return done
