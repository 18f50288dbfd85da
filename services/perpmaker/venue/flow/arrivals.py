"""When takers come: Erlang (as irregular as people, without runs) or Hawkes (one arrival brings others).

Source: A. G. Hawkes, "Spectra of some self-exciting and mutually exciting point processes" (1971), with an exponential
kernel, drawn step by step at the intensity the step begins with.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from random import Random

from perpmaker.venue.flow.parameters import Noise


@dataclass(slots=True)
class Erlang:
    """Pauses are gamma distributed; `factor` runs their clock faster."""

    noise: Noise
    rng: Random
    _next_in_s: float = field(init=False)

    def __post_init__(self) -> None:
        self._next_in_s = self._pause_s()

    def count(self, elapsed_s: float, factor: float) -> int:
        self._next_in_s -= elapsed_s * factor
        arrived = 0
        while self._next_in_s <= 0:
            self._next_in_s += self._pause_s()
            arrived += 1
        return arrived

    def _pause_s(self) -> float:
        shape = self.noise.erlang_shape
        return self.rng.gammavariate(shape, 1 / (shape * self.noise.per_second))


@dataclass(slots=True)
class Hawkes:
    """Intensity is a base plus the fading excitement of every earlier arrival; `factor` multiplies the base."""

    noise: Noise
    rng: Random
    _excitement: float = 0.0

    def count(self, elapsed_s: float, factor: float) -> int:
        base = self.noise.per_second * (1 - self.noise.branching) * factor
        arrived = poisson(self.rng, (base + self._excitement) * elapsed_s)
        self._excitement *= math.exp(-elapsed_s / self.noise.decay_s)
        self._excitement += arrived * self.noise.branching / self.noise.decay_s
        return arrived


def arrivals(noise: Noise, rng: Random) -> Erlang | Hawkes:
    return Hawkes(noise, rng) if noise.branching else Erlang(noise, rng)


def poisson(rng: Random, mean: float) -> int:
    """A Poisson number by multiplying uniforms (Knuth); meant for means well below 100."""
    limit, product, count = math.exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        count += 1
    return count
