"""How far answers of the exchange lag what it has committed. Source: observations by several makers."""

from __future__ import annotations

from typing import Final

INDEX_LAG_MS: Final = 3_000
"""How long statuses and lists of open orders may lack an order that landed. Seen: 0.4 to 1.1 s, and once 3 s."""
