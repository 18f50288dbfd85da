"""What operations on the engine share: their base, the kinds of their fields, and how names become things."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated

import msgspec
from msgspec import Meta

from perpmaker.venue.core import Venue
from perpmaker.venue.engine.accounts import Account
from perpmaker.venue.engine.markets import Market
from perpmaker.venue.units import E8
from perpmaker.venue.wire.decode import address_of

Amount = str | int | float
AtLeastOne = Annotated[int, Meta(ge=1)]
Coin = Annotated[str, Meta(description="market")]
Address = Annotated[str, Meta(description="account address")]


class BadOperationError(Exception):
    """The operation makes no sense; the text says why."""


class EngineOp(msgspec.Struct, tag_field="op", forbid_unknown_fields=True):
    """What the operations of this module share."""


def market_named(venue: Venue, coin: str) -> Market:
    """The market of that name. Raises `BadOperationError`."""
    market = venue.state.market_of(coin)
    if market is None:
        listed = ", ".join(m.coin for m in venue.state.markets)
        raise BadOperationError(f"unknown coin {coin!r}; listed: {listed}")
    return market


def account_named(venue: Venue, address: str) -> Account:
    """The account of that address. Raises `BadOperationError`."""
    account = venue.state.accounts.get(parse_address(address))
    if account is None:
        raise BadOperationError(f"{address} has no account")
    return account


def parse_address(text: str) -> str:
    """An address in lower case. Raises `BadOperationError`."""
    try:
        return address_of(text)
    except ValueError as error:
        raise BadOperationError(str(error)) from None


def positive_e8(amount: Amount) -> int:
    """A positive amount, scaled by 1e8. Raises `BadOperationError`."""
    try:
        scaled = Decimal(str(amount)) * E8
    except InvalidOperation:
        raise BadOperationError(f"not a number: {amount!r}") from None
    if not scaled.is_finite() or scaled <= 0 or scaled != int(scaled):
        raise BadOperationError(f"must be positive with at most 8 decimals: {amount!r}")
    return int(scaled)
