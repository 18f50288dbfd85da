"""What the command line chooses reaches the rules the venue runs by."""

from __future__ import annotations

from perpmaker.venue.engine.accounts import Memory
from perpmaker.venue.options import VenueOptions
from perpmaker.venue.shell.server import build
from perpmaker.venue.units import E8
from perpmaker.venue.views.info import answer_info
from perpmaker.venue.wire import info_requests as ask


def bounds(options: VenueOptions) -> list[str]:
    """Where the tiers of the first market begin, as clients are told."""
    ((_, table),) = answer_info(build(options), ask.Meta())["marginTables"]
    return [tier["lowerBound"] for tier in table["marginTiers"]]


def test_the_testnets_tiers_and_liquidations_come_together() -> None:
    real, small = (VenueOptions(markets=("BTC",), testnet_tiers=is_small) for is_small in (False, True))
    assert bounds(real) == ["0.0", "150000000.0"]
    assert bounds(small) == ["0.0", "10000.0", "50000.0"]
    thresholds = [build(options).state.rules.liquidation.partial_above_e8 // E8 for options in (real, small)]
    assert thresholds == [100_000, 10_000]


def test_new_accounts_have_staked_what_the_option_says() -> None:
    venue = build(VenueOptions(staked_tokens=101))
    assert venue.state.open_account("0x" + "a" * 40).staked_tokens == 101


def test_accounts_remember_what_the_options_say() -> None:
    venue = build(VenueOptions(orders_kept=7, fills_kept=8))
    assert venue.state.open_account("0x" + "a" * 40).memory == Memory(orders=7, fills=8)
