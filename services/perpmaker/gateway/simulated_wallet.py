"""Wallet of an account that lives on the simulated exchange: made, approved, and reduced to what trading needs.

Guarantees: only the API wallet's key reaches the disk, readable by its owner alone; the master key is forgotten when
this returns. Running it again changes nothing and checks that the exchange still knows the wallet.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

import msgspec

from perpmaker.common.clock import Clock, SystemClock
from perpmaker.gateway.approval import approval
from perpmaker.gateway.connections.one_shot import NoAnswerError, NoExchangeError, OneShot, one_shot
from perpmaker.gateway.decode import envelope_wire, reference_wire
from perpmaker.gateway.key import SigningKey, load_key
from perpmaker.gateway.outcomes import Accepted, Refused, read_answer

KEY_FILE = "api-wallet.key"
ACCOUNT_FILE = "account.json"
_PATIENCE_S = 5.0


class WalletError(Exception):
    """The wallet cannot be made or is not what the exchange knows; the text says what to do."""


class SimulatedAccount(msgspec.Struct, frozen=True):
    """Public facts of the account, as written next to the key."""

    address: str
    """The account: whose orders and positions these are."""
    signer: str
    """The API wallet that signs for it."""


@dataclass(frozen=True, slots=True)
class Wallet:
    """Where the wallet lies."""

    account: SimulatedAccount
    key_file: Path


def main(directory: Path, api_url: str) -> Wallet:
    """Make the wallet in a directory, or check the one that is there. Raises WalletError, KeyFileError."""
    return asyncio.run(prepare(directory, api_url))


async def prepare(directory: Path, api_url: str, clock: Clock | None = None) -> Wallet:
    """The same from inside an event loop, by the machine's clock unless another is given."""
    account = _load(directory)
    async with one_shot(api_url, _PATIENCE_S) as connection:
        exchange = _Exchange(connection, clock or SystemClock())
        if account is None:
            master, secret = SigningKey(secrets.token_bytes(32)), secrets.token_bytes(32)
            account = SimulatedAccount(address=master.address, signer=SigningKey(secret).address)
            await exchange.approve(master, account.signer)
            _save(directory, secret, account)
        await _check_role(exchange, account)
    return Wallet(account, directory / KEY_FILE)


def _load(directory: Path) -> SimulatedAccount | None:
    account_file = directory / ACCOUNT_FILE
    if not account_file.exists():
        return None
    try:
        account = msgspec.json.decode(account_file.read_bytes(), type=SimulatedAccount)
    except msgspec.DecodeError as error:
        raise WalletError(f"{account_file} is damaged ({error}); delete {directory} to begin anew") from error
    if load_key(directory / KEY_FILE).address != account.signer:
        raise WalletError(f"{KEY_FILE} is not the key of {account.signer}; delete {directory} to begin anew")
    return account


def _save(directory: Path, secret: bytes, account: SimulatedAccount) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    # The account file is written last: its presence says that the key beside it is approved.
    _write(directory / KEY_FILE, secret.hex().encode() + b"\n", 0o600)
    _write(directory / ACCOUNT_FILE, msgspec.json.encode(account) + b"\n", 0o644)


async def _check_role(exchange: _Exchange, account: SimulatedAccount) -> None:
    role = await exchange.role(account.signer)
    if role.role != "agent" or (role.data or {}).get("user", "").lower() != account.address:
        raise WalletError(
            f"the exchange does not know {account.signer} as API wallet of {account.address} (it says: {role.role});"
            " was the simulated exchange started afresh? delete the wallet's directory to begin anew"
        )


class _Exchange:
    """The two requests this file needs."""

    def __init__(self, connection: OneShot, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock

    async def _post(self, path: str, body: bytes) -> bytes:
        try:
            return await self._connection.post(path, body)
        except NoExchangeError as error:
            raise WalletError(f"{error}; start the venue first") from error
        except NoAnswerError as error:
            raise WalletError(str(error)) from error

    async def role(self, address: str) -> reference_wire.UserRoleWire:
        """What the exchange knows an address as."""
        payload = await self._post("/info", msgspec.json.encode({"type": "userRole", "user": address}))
        try:
            return reference_wire.USER_ROLE.decode(payload)
        except envelope_wire.DecodeError as error:
            raise WalletError(f"unreadable answer of userRole: {error}") from error

    async def approve(self, master: SigningKey, agent_address: str) -> None:
        """Approve an API wallet with the master's signature over readable typed data."""
        body = approval(master, agent_address, self._clock.now_ms())
        match read_answer(await self._post("/exchange", body)):
            case Accepted():
                return
            case Refused(text):
                raise WalletError(f"the exchange refused the API wallet: {text}")
            case _:
                raise WalletError("the exchange's answer to approveAgent cannot be read")


def _write(path: Path, content: bytes, mode: int) -> None:
    """Write a whole file or none; it never exists with wider permissions than asked for."""
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
