"""What the shapes of the exchange's answers are made of, and holding an answer against one.

The shapes (`market_shapes`, `account_shapes`, `stream_shapes`) are written from the exchange's documentation and from
recorded answers, not from our code. Unknown keys are refused. Prices, sizes and amounts are strings with at least one
decimal and no superfluous zeros; ids, times and counts are numbers.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

Amount = Annotated[str, Meta(pattern=r"^-?(0|[1-9][0-9]*)\.(0|[0-9]*[1-9])$")]
Address = Annotated[str, Meta(pattern=r"^0x[0-9a-f]{40}$")]
Hash = Annotated[str, Meta(pattern=r"^0x[0-9a-f]{64}$")]
Cloid = Annotated[str, Meta(pattern=r"^0x[0-9a-f]{32}$")]
Count = Annotated[int, Meta(ge=0)]
Time = Annotated[int, Meta(ge=1_500_000_000_000, le=4_000_000_000_000)]
Side = Literal["A", "B"]
Pair = tuple[Amount, Amount]


class Shape(Struct, forbid_unknown_fields=True, rename="camel"):
    """Keys in camel case, nothing else beside them."""


def check(value: Any, shape: Any) -> None:
    """Hold a JSON value against a shape. Raises `msgspec.ValidationError` that names the place."""
    msgspec.convert(value, shape)
