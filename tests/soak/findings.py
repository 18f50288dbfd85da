"""What a soak has counted, and what it holds against the gateway."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

MOST_KEPT = 50


@dataclass
class Findings:
    """Counters by name, and violations in words, each with the virtual second it was found in."""

    now_s: Callable[[], float]
    counts: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    violated: Counter[str] = field(default_factory=Counter)
    """How many violations there were of each promise."""

    def count(self, name: str, number: int = 1) -> None:
        self.counts[name] += number

    def violate(self, promise: str, text: str) -> None:
        self.violated[promise] += 1
        if len(self.violations) < MOST_KEPT:
            self.violations.append(f"at {self.now_s():.1f} s: {promise}: {text}")

    def of(self, prefix: str) -> dict[str, int]:
        """Counters whose name begins with a prefix, without it."""
        return {name.removeprefix(prefix): n for name, n in sorted(self.counts.items()) if name.startswith(prefix)}
