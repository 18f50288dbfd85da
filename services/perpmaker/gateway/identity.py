"""Whose orders the gateway sends and with which key: one value, made from the part before anything else.

Either the address is configured and the key lies in a file, or, on the simulated exchange, both come from a text: the
same text is always the same account, so that nothing has to be kept anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from perpmaker.api.parts import GatewayPart
from perpmaker.gateway.key import SigningKey, load_key
from perpmaker.gateway.typed_data import keccak256


@dataclass(frozen=True, slots=True)
class Identity:
    """An account and the key that signs for it."""

    address: str
    """The account, lower case."""
    key: SigningKey
    key_file: Path | None
    """Where the key is from; None when it was derived."""
    master: SigningKey | None = None
    """The account's own key; only of accounts that live on the simulated exchange."""


def open_identity(part: GatewayPart) -> Identity:
    """Account and key as the part says. Raises KeyFileError."""
    if part.simulated_seed is not None:
        master = derive(part.simulated_seed, "account")
        return Identity(master.address, derive(part.simulated_seed, "api wallet"), key_file=None, master=master)
    if part.address is None or part.key_file is None:
        raise AssertionError("the part was not validated")
    key = load_key(part.key_file, group_readable=part.key_file_group_readable)
    return Identity(part.address.lower(), key, key_file=part.key_file)


def derive(seed: str, role: str) -> SigningKey:
    """Key of a role from a text. Anybody who knows the text has the key: for play money only."""
    attempt = 0
    while True:
        # Roles and attempts hold no zero byte, so no two questions have the same bytes.
        material = b"\0".join((b"perpmaker simulated wallet v1", role.encode(), str(attempt).encode(), seed.encode()))
        try:
            return SigningKey(keccak256(material))
        except ValueError:
            # One hash in 2^128 is no valid key; the next one is.
            attempt += 1
