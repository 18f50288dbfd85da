"""The order of the exchange's checks, and which refusals use up the nonce.

Each row sends one action that offends against two neighbouring checks: the text tells which came first, and a second
action with the same nonce tells whether the first one consumed it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.support.venue_core import ALICE, BOB, START_MS, Bench, bench, limit

from perpmaker.venue.engine.account_actions import ApproveAgent, CreateSubAccount
from perpmaker.venue.engine.actions import Action, Noop, PlaceOrders
from perpmaker.venue.engine.answers import Err, Ok
from perpmaker.venue.engine.limits.rules import AddressRules, LimitRules, SubAccountRules

STRANGER = "0x" + "d" * 40
NOWHERE = "0x" + "9" * 40
MANY = PlaceOrders(tuple(limit("100", "0.1") for _ in range(201)))
OK = Ok({"type": "default"})


@dataclass(frozen=True)
class Row:
    """Who sends what, what the exchange says, and whether the nonce is gone afterwards."""

    section: str
    who: str
    action: Action
    text: str
    burns: bool
    signed: dict[str, Any] = field(default_factory=dict)


ROWS = [
    Row(
        "Nonces and API wallets: an unknown signer comes before the vault",
        STRANGER,
        Noop(),
        f"User or API Wallet {STRANGER} does not exist.",
        False,
        {"vault": NOWHERE},
    ),
    Row(
        "Signing: an unknown signer of typed data has to deposit",
        STRANGER,
        ApproveAgent(BOB, "", START_MS),
        f"Must deposit before performing actions. User: {STRANGER}",
        False,
    ),
    Row(
        "Exchange endpoint: the vault comes before the nonce and the expiry",
        ALICE,
        Noop(),
        f"Vault not registered: {NOWHERE}",
        False,
        {"vault": NOWHERE, "expires_after_ms": 1},
    ),
    Row(
        "Exchange endpoint: a user is no vault",
        ALICE,
        Noop(),
        f"Vault not registered: {BOB}",
        False,
        {"vault": BOB},
    ),
    Row(
        "Exchange endpoint: the expiry comes before the size of the batch",
        ALICE,
        MANY,
        "Action already expired",
        True,
        {"expires_after_ms": START_MS},
    ),
    Row(
        "Exchange endpoint: typed data has no expiry",
        ALICE,
        ApproveAgent(BOB, "", START_MS),
        "Action does not support expires_after",
        True,
        {"expires_after_ms": START_MS + 10**6},
    ),
    Row(
        "Rate limits: the size of the batch comes before its orders",
        ALICE,
        MANY,
        "Signed action over weight limit of 200.",
        True,
    ),
    Row(
        "Exchange endpoint: the nonce inside typed data is the nonce of the request",
        ALICE,
        ApproveAgent(BOB, "", START_MS + 1),
        "Nonce of the signed data differs from the nonce of the request.",
        True,
    ),
    Row(
        "Exchange endpoint: a business refusal comes last",
        ALICE,
        CreateSubAccount(""),
        "Sub-account name must have 1 to 16 characters.",
        True,
    ),
]


def funded(**limits: Any) -> Bench:
    """A venue without a faucet where Alice and Bob have deposited."""
    rules = LimitRules(sub_accounts=SubAccountRules(volume_e8=0), **limits)
    venue = bench(faucet=0, limits=rules)
    for address in (ALICE, BOB):
        venue.state.deposit(address, 10**13)
    return venue


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.section)
def test_each_check_has_its_place_its_text_and_its_effect_on_the_nonce(row: Row) -> None:
    venue = funded()
    assert venue.run(row.who, row.action, nonce=START_MS, **row.signed) == Err(row.text)
    venue.state.deposit(STRANGER, 1)
    again = venue.run(row.who, Noop(), nonce=START_MS)
    assert again == (Err(f"Invalid nonce: duplicate nonce {START_MS}") if row.burns else OK)


@pytest.mark.parametrize(
    ("nonce", "text"),
    [
        (START_MS, "duplicate nonce"),
        (START_MS - 3 * 86_400_000, "nonce too low"),
        (START_MS + 2 * 86_400_000, "nonce too high"),
    ],
)
def test_a_bad_nonce_comes_before_the_expiry_and_costs_nothing(nonce: int, text: str) -> None:
    venue = funded()
    venue.run(ALICE, Noop(), nonce=START_MS)
    before = venue.state.accounts[ALICE].requests
    refused = venue.run(ALICE, Noop(), nonce=nonce, expires_after_ms=1)
    assert isinstance(refused, Err) and refused.text.startswith(f"Invalid nonce: {text} {nonce}")
    assert venue.state.accounts[ALICE].requests == before


@pytest.mark.parametrize("burns", [True, False])
def test_a_refusal_for_the_budget_burns_the_nonce_as_the_venue_is_told(burns: bool) -> None:
    venue = funded(address=AddressRules(base_requests=0, refusal_burns_nonce=burns))
    assert venue.run(ALICE, Noop()) == OK
    refused = venue.run(ALICE, Noop(), nonce=START_MS + 5)
    assert isinstance(refused, Err) and refused.text.startswith("Too many cumulative requests sent (2 > 0)")
    venue.state.accounts[ALICE].volume_e8 = 10**12
    again = venue.run(ALICE, Noop(), nonce=START_MS + 5)
    assert again == (Err(f"Invalid nonce: duplicate nonce {START_MS + 5}") if burns else OK)


def test_the_budget_comes_before_the_size_of_the_batch_and_after_the_expiry() -> None:
    venue = funded(address=AddressRules(base_requests=0))
    assert venue.run(ALICE, Noop()) == OK
    refused = venue.run(ALICE, MANY)
    assert isinstance(refused, Err) and refused.text.startswith("Too many cumulative requests sent (202 > 0)")
    assert venue.run(ALICE, MANY, expires_after_ms=1) == Err("Action already expired")
