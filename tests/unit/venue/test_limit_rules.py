"""Single limits are chosen by whom they limit and by name."""

from __future__ import annotations

import pytest

from perpmaker.venue.engine.limits.rules import LimitRules
from perpmaker.venue.options import VenueOptions
from perpmaker.venue.shell.doors import limits_of, with_limit_rules


def test_a_limit_is_named_by_whom_it_limits() -> None:
    limits = with_limit_rules(LimitRules(), "address.spacing_ms=11000, ip.posts_count=1,sockets.users=15")
    assert (limits.address.spacing_ms, limits.ip.posts_count, limits.sockets.users) == (11_000, True, 15)
    assert with_limit_rules(LimitRules(), "") == LimitRules()


def test_a_chosen_limit_grows_with_the_machines_behind_an_address_like_any_other() -> None:
    limits = limits_of(VenueOptions(limit_rules="ip.weight=600", ip_identities=3, ws_users=15))
    assert (limits.ip.weight, limits.sockets.users) == (1_800, 45)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("weight=1", "known: address.enforced, address.base_requests"),
        ("agents.named=4", "known: address.enforced"),
        ("ip.nope=1", "unknown switch 'nope'; known: enforced, weight"),
        ("ip.weight=few", "weight must be a whole number"),
        ("ip.posts_count=2", "posts_count must be 0 or 1"),
    ],
)
def test_an_unknown_limit_is_told_with_those_there_are(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        limits_of(VenueOptions(limit_rules=text))
