"""Every limit of the exchange on requests, in one place.

Source: Hyperliquid documentation, "Rate limits and user limits". Where the documentation is silent the value is this
venue's choice and its comment says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from perpmaker.venue.units import E8


@dataclass(frozen=True, slots=True)
class AddressRules:
    """How many requests an account may make over its life, and what happens beyond."""

    enforced: bool = True
    base_requests: int = 10_000
    """On top, one request for each unit of quote ever traded."""
    extra_cancels: int = 100_000
    """Cancels end only at this much more, or at twice the limit if that comes sooner."""
    spacing_ms: int = 10_000
    """Over the limit one action passes in this time; refused ones neither count nor prolong the wait."""
    expired_cost: int = 5
    """Requests that one item of an expired action costs."""
    request_price_e8: int = 50_000
    """What `reserveRequestWeight` takes from the perpetual balance for one request, in quote units scaled by 1e8."""
    refusal_burns_nonce: bool = True
    """Whether an action that is refused for the budget has used up its nonce; undocumented."""
    unified_daily_actions: int = 50_000
    """Actions a day (UTC) of accounts in unified or portfolio mode; the text of the refusal is undocumented."""
    congested_actions_per_minute: int = 6_000
    """What all accounts together may do in a congested minute; undocumented. An account gets at most twice its share
    of yesterday's maker volume of it, and never less than one action."""


@dataclass(frozen=True, slots=True)
class IpRules:
    """What one network address may ask over HTTP."""

    enforced: bool = True
    weight: int = 1_200
    """Size of the bucket; it refills by as much in a minute. The shape of the exchange's window is undocumented."""
    posts_count: bool = False
    """Whether actions and requests posted over a WebSocket take weight too; undocumented."""
    sends_retry_after: bool = False
    """Whether a refusal carries `Retry-After`; reported by some."""


@dataclass(frozen=True, slots=True)
class SocketRules:
    """What one network address may do over WebSockets, all its connections together."""

    enforced: bool = True
    connections: int = 10
    new_connections_per_minute: int = 30
    subscriptions: int = 1_000
    users: int = 10
    """Different users in its subscriptions. One client library counts on 15."""
    messages_per_minute: int = 2_000
    posts_in_flight: int = 100


@dataclass(frozen=True, slots=True)
class OpenOrderRules:
    """How many open orders an account may have. From `base` on none that is reduce-only or waits for a trigger."""

    base: int = 1_000
    most: int = 5_000
    volume_per_extra_e8: int = 5_000_000 * E8
    """What an account must have traded for each open order beyond the base, in quote units scaled by 1e8."""


@dataclass(frozen=True, slots=True)
class SubAccountRules:
    """Who may open sub-accounts."""

    volume_e8: int = 100_000 * E8
    """What a master must have traded, in quote units scaled by 1e8."""
    most: int = 10


@dataclass(frozen=True, slots=True)
class AgentRules:
    """Approvals of keys. Source: Hyperliquid documentation, "Nonces and API wallets"; times as measured."""

    named: int = 3
    named_per_sub_account: int = 2
    lifetime_ms: int = 90 * 86_400_000
    longest_lifetime_ms: int = 180 * 86_400_000
    expiry_lag_ms: int = 900_000
    """How long an expired key still signs: expiry is noticed late."""
    removal_pending_ms: int = 5_000
    """After a removal no other approval is taken for so long."""


@dataclass(frozen=True, slots=True)
class LimitRules:
    address: AddressRules = field(default_factory=AddressRules)
    ip: IpRules = field(default_factory=IpRules)
    sockets: SocketRules = field(default_factory=SocketRules)
    open_orders: OpenOrderRules = field(default_factory=OpenOrderRules)
    sub_accounts: SubAccountRules = field(default_factory=SubAccountRules)
    agents: AgentRules = field(default_factory=AgentRules)
    items_per_action: int = 200
    nonce_margin_ms: int = 120_000
    """By how much the window of nonces is narrower at both ends than documented, as measured."""


UNLIMITED = LimitRules(AddressRules(enforced=False), IpRules(enforced=False), SocketRules(enforced=False))
"""No budget and no rate: only what a client asks for wrongly is refused."""
