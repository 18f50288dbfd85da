"""The exchange's words for refusing a whole action: who signed, when, how often, and what is done with an account.

Words in braces are the facts of the case. What is refused alike on the exchange, in words nobody has recorded, is
listed in `OWN_WORDS`. Source: Hyperliquid documentation, "Error responses", "Nonces and API wallets" and "Rate limits
and user limits"; texts as measured.
"""

from __future__ import annotations

UNRECOVERABLE = "Unable to recover signer."
UNKNOWN_SIGNER = "User or API Wallet {address} does not exist."
MUST_DEPOSIT = "Must deposit before performing actions. User: {address}"
VAULT_UNKNOWN = "Vault not registered: {address}"
VAULT_FORBIDDEN = "Vault may not perform this action."
NONCE_USED = "Invalid nonce: duplicate nonce {nonce}"
NONCE_LOW = "Invalid nonce: nonce too low {nonce} < {least}"
NONCE_HIGH = "Invalid nonce: nonce too high {nonce} > {most}"
NONCES_DIFFER = "Nonce of the signed data differs from the nonce of the request."
EXPIRED = "Action already expired"
NEVER_EXPIRES = "Action does not support expires_after"
OVER_BUDGET = (
    "Too many cumulative requests sent ({used} > {cap}) for cumulative volume traded ${volume}. "
    "Place taker orders to free up 1 request per USDC traded."
)
UNIFIED_DAY_SPENT = "Too many actions today with unified account. Limit is {most}"
CONGESTED = "Too many actions during congestion. Limit is {most} per minute"
TOO_MANY_ITEMS = "Signed action over weight limit of {most}."
PERP_UNKNOWN = "Invalid perp asset {asset}"
SPOT_UNKNOWN = "Invalid spot"

SCHEDULE_NEEDS_VOLUME = (
    "Cannot set scheduled cancel time until enough volume traded. Required: ${required}. Traded: ${traded}"
)
SCHEDULE_TOO_SOON = "Scheduled cancel time must be at least 5 seconds from now."
SCHEDULE_SPENT = "Cannot set scheduled cancel time: triggered 10 times today."

LEVERAGE_INVALID = "Invalid leverage value."
LEVERAGE_OPEN_POSITION = "Cannot switch leverage type with open position."
LEVERAGE_UNCOVERED = "Insufficient margin to change leverage."
CROSS_NOT_ALLOWED = "Cross margin is not allowed for this asset."
NO_ISOLATED_POSITION = "No isolated position to change the margin of."
MARGIN_NOT_REMOVABLE = "Margin cannot be removed from this asset."
MARGIN_TOO_LITTLE = "Insufficient margin to transfer."

WITHDRAWAL_UNCOVERED = "Insufficient balance for withdrawal"
TRANSFER_UNCOVERED = "Insufficient balance for token transfer"
TRANSFER_WHILE_UNIFIED = "Action disabled when unified account is active"
TRANSFER_TO_ITSELF = "Cannot send to the same balance."
COIN_UNKNOWN = "Invalid token {token}"
DEX_UNKNOWN = "Invalid dex for {token}: {dex}"

AGENT_USED = "Extra agent already used."
AGENT_EXPIRED = "Agent valid_until already expired."
AGENT_REMOVAL_PENDING = "User has pending agent removal"
AGENTS_FULL = "Too many extra agents for cumulative volume traded. Current limit is {most}"
AGENT_NAME_LONG = "Agent name too long."
AGENT_EXPIRY_INVALID = "Agent valid_until invalid."

SUB_ACCOUNTS_FULL = "Too many sub-accounts."
SUB_ACCOUNTS_NEED_VOLUME = (
    "Cannot create sub-accounts until enough volume traded. Required: ${required}. Traded: ${traded}"
)
SUB_ACCOUNT_UNKNOWN = "Invalid sub-account: {address}"
SUB_ACCOUNT_NAME_LENGTH = "Sub-account name must have 1 to {most} characters."
SUB_ACCOUNT_NAME_USED = "Sub-account name already used: {name}"

BUILDER_FEE_HIGH = "Builder fee rate must be at most 1%."
USER_INVALID = "Invalid user: {address}"
REFERRER_SET = "Referrer already set."
REFERRER_INVALID = "Invalid referral code."

OWN_WORDS = frozenset(
    {
        NONCES_DIFFER,
        UNIFIED_DAY_SPENT,
        CONGESTED,
        PERP_UNKNOWN,
        SCHEDULE_TOO_SOON,
        SCHEDULE_SPENT,
        LEVERAGE_INVALID,
        LEVERAGE_UNCOVERED,
        CROSS_NOT_ALLOWED,
        NO_ISOLATED_POSITION,
        MARGIN_NOT_REMOVABLE,
        MARGIN_TOO_LITTLE,
        TRANSFER_TO_ITSELF,
        COIN_UNKNOWN,
        DEX_UNKNOWN,
        AGENT_NAME_LONG,
        AGENT_EXPIRY_INVALID,
        SUB_ACCOUNTS_NEED_VOLUME,
        SUB_ACCOUNT_UNKNOWN,
        SUB_ACCOUNT_NAME_LENGTH,
        SUB_ACCOUNT_NAME_USED,
        BUILDER_FEE_HIGH,
        USER_INVALID,
        REFERRER_SET,
        REFERRER_INVALID,
    }
)
