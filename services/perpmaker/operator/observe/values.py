"""What services tell the operator, as immutable values. A service that does not answer is a value with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeAlias

ONE_SIDED_GRACE_S: Final = 15.0
"""A side that was empty for less than this is being requoted."""


class Why(StrEnum):
    """Why nothing is known of a service."""

    NO_POD = "NoPod"
    """Nobody to ask: its pod does not run."""
    NOT_YET = "NotYet"
    """Its pod runs, the first answer is outstanding."""
    UNAVAILABLE = "Unavailable"
    TIMED_OUT = "TimedOut"
    DENIED = "Denied"
    """The service does not accept who we are."""
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class Unreachable:
    """No answer."""

    why: Why
    detail: str = ""

    def __str__(self) -> str:
        match self.why:
            case Why.NO_POD:
                return "its pod does not run"
            case Why.NOT_YET:
                return "it has not answered yet"
            case Why.DENIED:
                return f"it refuses the operator's identity ({self.detail})"
            case _:
                return f"it does not answer ({self.detail or self.why.value})"


NO_POD = Unreachable(Why.NO_POD)
NOT_YET = Unreachable(Why.NOT_YET)


@dataclass(frozen=True, slots=True)
class GatewayFacts:
    """Condition of a gateway."""

    is_ready: bool
    reason: str
    applied_revision: int
    account_address: str
    signer_address: str
    key_refusal: str
    """Why the key in the mounted file is not used; empty when it is."""
    signer_valid_until_ms: int
    signer_confirmed: bool
    """The exchange has said since the gateway's start that the signer may trade for the account."""
    exchange_connected: bool
    dead_man_deadline_ms: int
    """0 when the switch is not armed."""
    dead_man_refusal: str
    dead_man_firings_left: int
    rate_limit_used_ppm: int
    network: str = ""
    """Network that it speaks to and signs for; empty while it does not say."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """Trading rules of a market."""

    asset_id: int
    sz_decimals: int
    max_leverage: int
    min_notional_e8: int


@dataclass(frozen=True, slots=True)
class Standing:
    """Position and live orders of a market, as order-state holds them."""

    position_e8: int
    open_orders: int
    unknown_orders: int


@dataclass(frozen=True, slots=True)
class OrderStateFacts:
    """Condition of an order-state service."""

    is_ready: bool
    applied_revision: int
    markets: Mapping[str, Standing]


@dataclass(frozen=True, slots=True)
class MarketRiskFacts:
    """What risk has decided on a market."""

    is_killed: bool
    is_closed: bool
    reduce_only: bool
    trip_id: str
    reasons: tuple[str, ...]
    day_pnl_e8: int
    mark_px_e8: int
    checks: tuple[str, ...] = ()
    """Names of the findings that restrict."""


@dataclass(frozen=True, slots=True)
class TripFacts:
    """A latched trip. `market` is empty for the account."""

    trip_id: str
    market: str
    reason: str
    tripped_time_ms: int
    executed: bool


@dataclass(frozen=True, slots=True)
class RiskFacts:
    """Condition of a risk service."""

    is_ready: bool
    applied_revision: int
    equity_e8: int
    day_pnl_e8: int
    gross_notional_e8: int
    margin_usage_ppm: int
    last_rearmed_trip_id: str
    trips: tuple[TripFacts, ...]
    markets: Mapping[str, MarketRiskFacts]

    def trip_of(self, market: str) -> TripFacts | None:
        """The trip that stops a market: the account's before its own."""
        for scope in ("", market):
            for trip in self.trips:
                if trip.market == scope:
                    return trip
        return None


@dataclass(frozen=True, slots=True)
class QuoterFacts:
    """Condition of a quoter."""

    is_quoting: bool
    reasons: tuple[str, ...]
    applied_generation: int
    epoch: int
    live_bids: int
    live_asks: int
    has_ladder: bool
    """The newest decision wants orders on both sides, sent or not."""
    two_sided_ppm: int
    is_flat: bool
    heard_ms: int
    """Wall clock of the answer."""
    two_sided_age_s: float | None = None
    """Time since it was last seen with live orders on both sides, None for never; a requote in between is no news."""

    @property
    def is_two_sided(self) -> bool:
        """Whether orders are live on both sides at this moment."""
        return self.live_bids > 0 and self.live_asks > 0

    @property
    def was_two_sided_lately(self) -> bool:
        """Whether it quotes both sides, requotes in between forgiven."""
        return self.two_sided_age_s is not None and self.two_sided_age_s <= ONE_SIDED_GRACE_S


GatewayAnswer: TypeAlias = GatewayFacts | Unreachable
OrderStateAnswer: TypeAlias = OrderStateFacts | Unreachable
RiskAnswer: TypeAlias = RiskFacts | Unreachable
QuoterAnswer: TypeAlias = QuoterFacts | Unreachable

_NO_INSTRUMENTS: Mapping[str, Instrument] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class AccountView:
    """The newest answers of an account's services."""

    gateway: GatewayAnswer = NO_POD
    order_state: OrderStateAnswer = NO_POD
    risk: RiskAnswer = NO_POD
    instruments: Mapping[str, Instrument] = field(default_factory=lambda: _NO_INSTRUMENTS)
    """By market; empty when the gateway has not told."""
