"""How many keys, sub-accounts, items and nonces there may be, and for how long: what just passes, and what does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

import pytest
from tests.catalogue.account_limits import AccountLimit, Passes, passes, shown_limits
from tests.catalogue.action_scripts import KEYS, OPEN, approve, with_ten
from tests.catalogue.sections import documented, measured, own
from tests.support.venue_core import ALICE, START_MS, Bench, limit

from perpmaker.venue.engine.account_actions import CreateSubAccount
from perpmaker.venue.engine.actions import PlaceOrders
from perpmaker.venue.engine.agents import ZERO_ADDRESS, Agents
from perpmaker.venue.engine.limits.rules import AgentRules, LimitRules, SubAccountRules
from perpmaker.venue.engine.nonces import NonceSet
from perpmaker.venue.engine.orders import Tif
from perpmaker.venue.units import E8

DAY_MS = 86_400_000
WITHOUT_LAG = AgentRules(expiry_lag_ms=0)


def sends_a_batch(venue: Bench, number: int) -> Passes:
    batch = tuple(limit("100", "0.1", tif=Tif.ALO) for _ in range(number + 1))
    return passes(venue.run(ALICE, PlaceOrders(batch[1:]))), passes(venue.run(ALICE, PlaceOrders(batch)))


def opens_sub_accounts(venue: Bench, number: int) -> Passes:
    with_ten(venue)
    all_open = len(venue.state.accounts[ALICE].sub_accounts) == number
    return all_open, passes(venue.run(ALICE, CreateSubAccount("k")))


def opens_one_with_volume(venue: Bench, number: int) -> Passes:
    account = venue.state.deposit(ALICE, 10**13)
    account.volume_e8 = number - 1
    early = passes(venue.run(ALICE, CreateSubAccount("one")))
    account.volume_e8 = number
    return passes(venue.run(ALICE, CreateSubAccount("one"))), early


def names_keys(sub_accounts: int) -> Callable[[Bench, int], Passes]:
    def script(venue: Bench, number: int) -> Passes:
        venue.state.deposit(ALICE, 10**13)
        for name in "xyz"[:sub_accounts]:
            venue.run(ALICE, CreateSubAccount(name))
        approved = []
        for key, name in zip(KEYS, "abcdefgh", strict=True):
            approve(venue, key, name)
            approved.append(len(venue.venue.admission.agents.of(ALICE)))
        most = AgentRules().named + number * sub_accounts if sub_accounts else number
        return approved[most - 1] == most, approved[most] > most

    return script


def _signs(agents: Agents, at_ms: int) -> bool:
    return agents.master_of(KEYS[0], at_ms) == ALICE


def lives(_: Bench, number: int) -> Passes:
    """A key without an expiry of its own."""
    agents = Agents(WITHOUT_LAG)
    agents.approve(ALICE, KEYS[0], "", START_MS)
    return _signs(agents, START_MS + number), _signs(agents, START_MS + number + 1)


def lives_longest(_: Bench, number: int) -> Passes:
    names = [f"mm valid_until {START_MS + number + late}" for late in (0, 1)]
    first, second = (Agents(WITHOUT_LAG).approve(ALICE, KEYS[0], name, START_MS) for name in names)
    return first is None, second is None


def expires_late(_: Bench, number: int) -> Passes:
    agents = Agents()
    agents.approve(ALICE, KEYS[0], f"mm valid_until {START_MS + 1}", START_MS)
    return _signs(agents, START_MS + 1 + number), _signs(agents, START_MS + 2 + number)


def is_removed(_: Bench, number: int) -> Passes:
    agents = Agents()
    agents.approve(ALICE, KEYS[0], "mm", START_MS)
    agents.approve(ALICE, ZERO_ADDRESS, "mm", START_MS)
    early, late = (agents.approve(ALICE, KEYS[1], "mm", START_MS + number - too_soon) for too_soon in (1, 0))
    return late is None, early is None


def nonce_window(edge_ms: int, inward: int) -> Callable[[Bench, int], Passes]:
    """A nonce at an edge of the documented window, so much further in, and one more out."""

    def script(_: Bench, number: int) -> Passes:
        edge = START_MS + edge_ms + inward * number
        inside, outside = (NonceSet(number).admit(nonce, START_MS) for nonce in (edge, edge - inward))
        return inside is None, outside is None

    return script


def remembers(_: Bench, number: int) -> Passes:
    """So many nonces are remembered; a new one must not be below the least of them."""
    some, all_of_them = NonceSet(), NonceSet()
    for nonce in range(START_MS, START_MS + number):
        all_of_them.admit(nonce, START_MS)
        if nonce > START_MS:
            some.admit(nonce, START_MS)
    return some.admit(START_MS - 1, START_MS) is None, all_of_them.admit(START_MS - 1, START_MS) is None


_KEYS = documented("Nonces and API wallets", "API wallets")
_NONCES = documented("Nonces and API wallets", "Hyperliquid nonces")
_SUBS = measured("testnet, sub-accounts")
_WINDOW = measured("testnet, nonces at the edges of their window")

ROWS = (
    AccountLimit(measured("testnet, actions of 201 items"), "items_per_action", 200, sends_a_batch, "a batch"),
    AccountLimit(_SUBS, "most", 10, opens_sub_accounts, "sub-accounts", OPEN),
    AccountLimit(_SUBS, "volume_e8", 100_000 * E8, opens_one_with_volume, "a sub-account's volume"),
    AccountLimit(_KEYS, "named", 3, names_keys(0), "named keys"),
    AccountLimit(_KEYS, "named_per_sub_account", 2, names_keys(1), "named keys with a sub-account", OPEN),
    AccountLimit(_KEYS, "lifetime_ms", 90 * DAY_MS, lives, "a key's life"),
    AccountLimit(_KEYS, "longest_lifetime_ms", 180 * DAY_MS, lives_longest, "a key's longest life"),
    AccountLimit(
        own("how late expiry is noticed; more than 15 minutes are measured"),
        "expiry_lag_ms",
        900_000,
        expires_late,
        "an expired key",
    ),
    AccountLimit(measured("testnet, keys removed"), "removal_pending_ms", 5_000, is_removed, "a removal"),
    AccountLimit(_NONCES, "nonce_margin_ms", 0, nonce_window(-2 * DAY_MS, 1), "the oldest nonce"),
    AccountLimit(_NONCES, "nonce_margin_ms", 0, nonce_window(DAY_MS, -1), "the newest nonce"),
    AccountLimit(_WINDOW, "nonce_margin_ms", 120_000, nonce_window(-2 * DAY_MS, 1), "the oldest nonce, as measured"),
    AccountLimit(_WINDOW, "nonce_margin_ms", 120_000, nonce_window(DAY_MS, -1), "the newest nonce, as measured"),
    AccountLimit(_NONCES, "nonces", 100, remembers, "nonces remembered"),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.case)
def test_the_last_passes_and_the_next_does_not(row: AccountLimit) -> None:
    row.check()


def test_the_rules_default_to_these_numbers() -> None:
    limits = LimitRules()
    defaults = {
        rule.name: getattr(rules, rule.name)
        for rules in (limits.agents, limits.sub_accounts, limits)
        for rule in fields(rules)
    }
    for row in ROWS:
        assert defaults.get(row.rule, row.number) == row.number or row.number == 0, row.case


def test_every_limit_of_keys_sub_accounts_and_batches_has_a_row() -> None:
    groups = {"address", "ip", "sockets", "open_orders", "sub_accounts", "agents"}
    rules = {rule.name for kind in (AgentRules, SubAccountRules, LimitRules) for rule in fields(kind)}
    assert shown_limits(ROWS) - {"nonces"} == rules - groups
