"""Who is asking, by network address, and what that address may still ask.

Limits are counted in venue time, so they hold under real and virtual time alike. Whoever asks without an address (the
control port, a WebSocket post where those take no weight) is not limited.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from aiohttp import web

from perpmaker.venue.engine.limits.ip import IpBudget
from perpmaker.venue.engine.limits.rules import UNLIMITED, IpRules, LimitRules, SocketRules
from perpmaker.venue.engine.limits.sockets import SocketLimits, SocketUse
from perpmaker.venue.engine.state import State
from perpmaker.venue.options import VenueOptions
from perpmaker.venue.switches import describe, with_switches
from perpmaker.venue.units import E8
from perpmaker.venue.wire.decode import UnreadableError

_LIMITED = ("address", "ip", "sockets")


@dataclass(slots=True)
class Doors:
    """The limits per network address of one venue."""

    state: State
    rest: IpBudget
    sockets: SocketLimits

    @classmethod
    def of(cls, state: State) -> Doors:
        limits = state.rules.limits
        return cls(state, IpBudget(limits.ip), SocketLimits(limits.sockets))

    def take(self, ip: str | None, weight: int) -> None:
        """Take weight before answering. Raises `UnreadableError` (429 with `null`) when there is too little."""
        if ip is not None and not self.rest.take(ip, weight, self.state.now_ms):
            raise UnreadableError(429, "null")

    def add(self, ip: str | None, weight: int) -> None:
        """Take what the answer turned out to weigh."""
        if ip is not None:
            self.rest.add(ip, weight, self.state.now_ms)

    def retry_after_s(self, ip: str) -> int | None:
        """Seconds until one ordinary request fits again, if the venue says so."""
        if not self.rest.rules.sends_retry_after:
            return None
        return -(-self.rest.wait_ms(ip, 20, self.state.now_ms) // 1000)

    def use_of(self, request: web.Request) -> SocketUse:
        """What the address behind a WebSocket is doing on all of them."""
        return self.sockets.of(ip_of(request))


def ip_of(request: web.Request) -> str:
    return request.remote or ""


def limits_of(options: VenueOptions) -> LimitRules:
    """The limits an operator chose. Raises `ValueError` that lists the switches there are."""
    if options.limits == "off":
        return UNLIMITED
    exchange = LimitRules()
    chosen = replace(
        exchange,
        address=replace(exchange.address, base_requests=options.address_requests),
        sockets=replace(exchange.sockets, users=options.ws_users),
        sub_accounts=replace(exchange.sub_accounts, volume_e8=options.sub_account_volume_usd * E8),
    )
    limits = with_limit_rules(chosen, options.limit_rules)
    machines = options.ip_identities
    return replace(limits, ip=_times(limits.ip, machines), sockets=_sockets_times(limits.sockets, machines))


def with_limit_rules(limits: LimitRules, text: str) -> LimitRules:
    """The limits with switches changed, each named by whom it limits: `ip.weight=2400,address.spacing_ms=11000`.

    Raises `ValueError` that lists the names.
    """
    for part in filter(None, (part.strip() for part in text.split(","))):
        whom, _, switch = part.partition(".")
        if whom not in _LIMITED or not switch:
            known = (f"{whom}.{name}" for whom in _LIMITED for name in describe(getattr(limits, whom)))
            raise ValueError(f"unknown switch {part!r}; known: {', '.join(known)}")
        limits = replace(limits, **{whom: with_switches(getattr(limits, whom), switch)})
    return limits


def _times(rules: IpRules, identities: int) -> IpRules:
    return replace(rules, weight=rules.weight * identities)


def _sockets_times(rules: SocketRules, identities: int) -> SocketRules:
    return replace(
        rules,
        connections=rules.connections * identities,
        new_connections_per_minute=rules.new_connections_per_minute * identities,
        subscriptions=rules.subscriptions * identities,
        users=rules.users * identities,
        messages_per_minute=rules.messages_per_minute * identities,
        posts_in_flight=rules.posts_in_flight * identities,
    )
