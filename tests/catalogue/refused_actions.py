"""Every refusal of an action before it runs: for who signed it, for whom, when, how often and how much at once."""

from __future__ import annotations

from tests.catalogue.action_scripts import (
    DAY_MS,
    KEYS,
    MANY,
    MARGIN_MS,
    NOWHERE,
    OPEN,
    RefusedAction,
    approving,
    congested,
    for_the_sub_account,
    nonce_at,
    sends,
    signs,
    spent_budget,
    unified,
    used_nonce,
)
from tests.catalogue.sections import documented, measured, own
from tests.support.venue_core import ALICE, BOB, START_MS

from perpmaker.venue.engine import account_actions as acts
from perpmaker.venue.engine.account_actions import ApproveAgent, CreateSubAccount
from perpmaker.venue.engine.actions import Noop
from perpmaker.venue.engine.agents import ZERO_ADDRESS
from perpmaker.venue.engine.limits.rules import AddressRules, LimitRules
from perpmaker.venue.units import E8

_WHO = documented("Signing", "an incorrect signature recovers another address")
_KEYS = measured("testnet, keys approved, replaced and removed")
_EXPIRY = measured("testnet, actions with expiresAfter")
_NONCE = measured("testnet, nonces at the edges of their window")
_VAULT = measured("testnet, actions with vaultAddress")
_AT_ONCE_MS = START_MS + 140
"""Time of the block that a fresh venue builds for its first action."""


def _deposit(address: str) -> str:
    return f"Must deposit before performing actions. User: {address}"


def _no_wallet(address: str) -> str:
    return f"User or API Wallet {address} does not exist."


NO_FAUCET = {"faucet": 0}
REFUSED_BEFORE_RUNNING = (
    RefusedAction(_WHO, "an unknown signer", _no_wallet(ALICE), sends(Noop()), NO_FAUCET, burns=False),
    RefusedAction(
        _WHO, "an unknown signer of typed data", _deposit(ALICE), signs(ApproveAgent, BOB, ""), NO_FAUCET, burns=False
    ),
    RefusedAction(
        _KEYS,
        "an agent's typed data",
        _deposit(KEYS[0]),
        signs(acts.UsdSend, BOB, E8, who=KEYS[0], before=approving((KEYS[0], ""))),
        burns=False,
    ),
    RefusedAction(
        _KEYS,
        "a replaced key",
        _deposit(ALICE),
        sends(Noop(), KEYS[0], before=approving((KEYS[0], "mm"), (KEYS[1], "mm"))),
        burns=False,
    ),
    RefusedAction(
        _KEYS,
        "a removed key",
        _no_wallet(KEYS[0]),
        sends(Noop(), KEYS[0], before=approving((KEYS[0], "mm"), (ZERO_ADDRESS, "mm"))),
        burns=False,
    ),
    RefusedAction(
        _VAULT, "a vault nobody knows", f"Vault not registered: {NOWHERE}", sends(Noop(), vault=NOWHERE), burns=False
    ),
    RefusedAction(
        _VAULT,
        "a user as vault",
        f"Vault not registered: {BOB}",
        sends(Noop(), vault=BOB, before=lambda venue: venue.run(BOB, Noop())),
        burns=False,
    ),
    RefusedAction(
        _VAULT,
        "somebody else's sub-account",
        "Vault may not perform this action.",
        for_the_sub_account(BOB, Noop()),
        OPEN,
        burns=False,
    ),
    RefusedAction(
        _VAULT,
        "what a sub-account may not do",
        "Vault may not perform this action.",
        for_the_sub_account(ALICE, CreateSubAccount("x")),
        OPEN,
        burns=False,
    ),
    RefusedAction(_NONCE, "a used nonce", f"Invalid nonce: duplicate nonce {START_MS}", used_nonce),
    RefusedAction(
        _NONCE,
        "an old nonce",
        f"Invalid nonce: nonce too low {START_MS - 3 * DAY_MS} < {_AT_ONCE_MS - 2 * DAY_MS + MARGIN_MS}",
        nonce_at(-3 * DAY_MS),
    ),
    RefusedAction(
        _NONCE,
        "a nonce of the future",
        f"Invalid nonce: nonce too high {START_MS + 2 * DAY_MS} > {_AT_ONCE_MS + DAY_MS - MARGIN_MS}",
        nonce_at(2 * DAY_MS),
    ),
    RefusedAction(_EXPIRY, "a stale action", "Action already expired", sends(Noop(), expires_after_ms=START_MS)),
    RefusedAction(
        _EXPIRY,
        "typed data that would expire",
        "Action does not support expires_after",
        lambda venue: {**signs(ApproveAgent, BOB, "")(venue), "expires_after_ms": START_MS + DAY_MS},
    ),
    RefusedAction(
        own("two nonces that differ"),
        "typed data under another nonce",
        "Nonce of the signed data differs from the nonce of the request.",
        lambda venue: {"who": ALICE, "action": ApproveAgent(BOB, "", START_MS + 1), "nonce": START_MS},
    ),
    RefusedAction(
        measured("mainnet and testnet, one client's list of errors"),
        "a spent budget",
        "Too many cumulative requests sent (97460 > 97457) for cumulative volume traded $87457.46. "
        "Place taker orders to free up 1 request per USDC traded.",
        spent_budget,
    ),
    RefusedAction(
        own("words of the daily limit, which is of Rate limits and user limits"),
        "a unified account's day",
        "Too many actions today with unified account. Limit is 0",
        sends(Noop(), before=unified),
        {"limits": LimitRules(address=AddressRules(unified_daily_actions=0))},
    ),
    RefusedAction(
        own("words of congestion, which is of Rate limits and user limits"),
        "congestion",
        "Too many actions during congestion. Limit is 1 per minute",
        sends(Noop(), before=congested),
    ),
    RefusedAction(
        measured("testnet, actions of 201 items"),
        "a batch too large",
        "Signed action over weight limit of 200.",
        sends(MANY),
    ),
)
