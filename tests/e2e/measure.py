"""How a test tells a figure for the table at the end of the run."""

from __future__ import annotations

from collections.abc import Callable

Measure = Callable[[str, str], None]
"""Takes what was measured and the value with its unit."""
