"""What an asset is worth, now, a moment ago and a moment ahead.

The efficient price is a jump-diffusion whose volatility follows a Markov-switching regime, plus the drift of whatever
episode runs. It is drawn on a fixed grid of simulated time some seconds ahead of now, because some know it early:
informed takers read ahead, slow makers read behind. Same seed and same episode starts, same path, whatever the steps in
which time is asked for.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from random import Random

from perpmaker.venue.flow.parameters import CONSTANT, EPISODES, Phase, Regime, World

GRID_MS = 100
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Moment:
    """The market's weather at one point of the grid."""

    log_move: float
    """Natural logarithm of price over start price."""
    regime: Regime
    episode: str
    """Name of the episode that runs, or nothing."""
    phase: Phase | None
    strength: float

    @property
    def spread_factor(self) -> float:
        return self.regime.spread_factor * (self.phase.spread_factor if self.phase else 1.0)

    @property
    def depth_factor(self) -> float:
        return self.regime.depth_factor * (self.phase.depth_factor if self.phase else 1.0)


class EfficientPrice:
    """One coin's path. Times are milliseconds of the world; `behind_ms` and `ahead_ms` bound what can be read."""

    def __init__(self, start_px_e8: int, world: World, rng: Random, *, behind_ms: int, ahead_ms: int) -> None:
        self._start_px_e8 = start_px_e8
        self._world = world
        self._rng = rng
        self._ahead = -(-ahead_ms // GRID_MS) + 1
        self._behind = -(-behind_ms // GRID_MS) + 1
        self._vol_per_step = world.price.daily_vol_pct / 100 * math.sqrt(GRID_MS / 1000 / _DAY_S)
        self._pull_per_step = math.log(2) / world.price.pull_half_life_s * GRID_MS / 1000
        self._jump_chance = world.price.jumps_per_hour / 3_600 * GRID_MS / 1000
        self._regimes = {regime.name: regime for regime in world.regimes or (CONSTANT,)}
        self._episode_chances = [
            (name, per_hour / 3_600 * GRID_MS / 1000) for name, per_hour in world.episodes_per_hour
        ]
        self._regime = next(iter(self._regimes.values()))
        self._regime_left_s = self._stay_s()
        self._episode = ""
        self._phases: deque[Phase] = deque()
        self._phase_left_s = 0.0
        self._strength = 1.0
        self._log_move = 0.0
        self._first = 0
        self._path: deque[Moment] = deque([Moment(0.0, self._regime, "", None, 1.0)])
        self.reach(0)

    def reach(self, now_ms: int) -> None:
        """Draw the path up to what may be asked for at this time, forget what no longer may."""
        here = now_ms // GRID_MS
        while self._first + len(self._path) <= here + self._ahead + 1:
            self._path.append(self._next())
        while self._first < here - self._behind:
            self._path.popleft()
            self._first += 1

    def moment(self, at_ms: int) -> Moment:
        """The weather at a time; the path's ends answer for what lies beyond them."""
        index = at_ms // GRID_MS - self._first
        return self._path[max(0, min(index, len(self._path) - 1))]

    def px_e8(self, at_ms: int) -> int:
        """The price at a time, between two points of the grid on the straight line of their logarithms."""
        index, part = divmod(at_ms - self._first * GRID_MS, GRID_MS)
        if index < 0:
            index, part = 0, 0
        last = len(self._path) - 1
        here, there = self._path[min(index, last)].log_move, self._path[min(index + 1, last)].log_move
        return round(self._start_px_e8 * math.exp(here + (there - here) * part / GRID_MS))

    def start_episode(self, name: str, strength: float) -> None:
        """Begin an episode where the path is drawn next, in place of one that runs. Raises `KeyError`."""
        self._phases = deque(EPISODES[name])
        self._episode, self._strength = name, strength
        self._phase_left_s = self._phases[0].seconds

    def _next(self) -> Moment:
        step_s = GRID_MS / 1000
        self._regime_left_s -= step_s
        if self._regime_left_s <= 0:
            names, weights = zip(*self._regime.next_weights, strict=True)
            self._regime = self._regimes[self._rng.choices(names, weights)[0]]
            self._regime_left_s = self._stay_s()
        for name, chance in self._episode_chances:
            if self._rng.random() < chance and not self._phases:
                self.start_episode(name, 1.0)
        move = self._rng.gauss(0.0, self._vol_per_step * self._regime.vol_factor) - self._log_move * self._pull_per_step
        if self._jump_chance and self._rng.random() < self._jump_chance:
            move += self._rng.gauss(0.0, self._world.price.jump_bps / 10_000)
        phase = self._phases[0] if self._phases else None
        if phase is not None:
            minute_vol = self._vol_per_step * math.sqrt(60 / step_s)
            move += phase.move_minutes * minute_vol * self._strength * step_s / phase.seconds
            self._phase_left_s -= step_s
        self._log_move += move
        made = Moment(self._log_move, self._regime, self._episode, phase, self._strength)
        if phase is not None and self._phase_left_s <= step_s / 2:
            self._phases.popleft()
            self._phase_left_s = self._phases[0].seconds if self._phases else 0.0
            self._episode = self._episode if self._phases else ""
        return made

    def _stay_s(self) -> float:
        stay = self._regime.mean_stay_s
        return stay if math.isinf(stay) else self._rng.expovariate(1 / stay)
