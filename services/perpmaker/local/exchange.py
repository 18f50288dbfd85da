"""The exchange an account trades on: the simulated venue of this run with a wallet of its own, or a network."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perpmaker.api.desired import Wallet
from perpmaker.api.v1alpha1 import TradingAccount
from perpmaker.common.logs import redact
from perpmaker.local.places import Places
from perpmaker.local.processes import ChildSpec
from perpmaker.local.readiness import announces

NAME = "venue"
_WALLET_DEADLINE_S = 20.0
_KEY_FILE = "agent.key"


class NoWalletError(Exception):
    """There is no key to sign with; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class VenueAddress:
    """Where the simulated exchange of a run is."""

    api: str
    control: str


def command(*arguments: str) -> tuple[str, ...]:
    """The `perpmaker` command that belongs to this interpreter."""
    return (sys.executable, "-m", "perpmaker.cli", *arguments)


def venue(log: Path, seed: int, accounts: int, found: Callable[[VenueAddress], None]) -> ChildSpec:
    """The simulated exchange as a child; it keeps books and accounts in memory, so it cannot be started again.

    Each account trades as if from a machine of its own, although all of them share this one's address.
    """

    chosen = ("--seed", str(seed), "--ip-identities", str(accounts))

    def heard(entry: dict[str, Any]) -> dict[str, str]:
        address = VenueAddress(api=str(entry["api"]), control=str(entry["control"]))
        found(address)
        return {"api": address.api, "control": address.control}

    return ChildSpec(
        name=NAME,
        argv=command("venue", "--port", "0", "--control-port", "0", *chosen),
        log=log,
        probe=announces("listening", heard),
        stop_deadline_s=10.0,
        restartable=False,
    )


async def simulated_wallet(directory: Path, api_url: str) -> Wallet:
    """Have the gateway's package make account and key at a simulated exchange. Raises NoWalletError."""
    process = await asyncio.create_subprocess_exec(
        *command("simulated-wallet", "--dir", str(directory), "--api-url", api_url),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_WALLET_DEADLINE_S):
            _, errors = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise NoWalletError(
            f"making the simulated wallet in {directory} took over {_WALLET_DEADLINE_S:.0f} s"
        ) from None
    if process.returncode != 0:
        said = redact(errors.decode(errors="replace").strip()[-600:])
        raise NoWalletError(f"the simulated wallet in {directory} could not be made: {said}")
    account = json.loads((directory / "account.json").read_text())
    return Wallet(address=account["address"], key_file=directory / "api-wallet.key", expected_signer=account["signer"])


def real_wallet(account: TradingAccount, places: Places) -> Wallet:
    """The key of an account on a real network, which the user puts into the data directory. Raises NoWalletError."""
    spec = account.spec
    name = account.metadata.name
    if spec.api_wallet is None or spec.address is None:
        raise NoWalletError(f"account {name} needs address and apiWallet on {spec.network.value}")
    reference = spec.api_wallet.secret_ref
    path = places.secret(reference.name, reference.key)
    if places.is_temporary:
        raise NoWalletError(
            f"account {name} is on {spec.network.value}: there is no Secret without Kubernetes; run with --data-dir DIR"
            f" and put the API wallet's key into DIR/secrets/{reference.name}/{reference.key}, readable only by you"
        )
    if not path.is_file():
        raise NoWalletError(
            f"account {name} is on {spec.network.value} and its key file is missing: put the API wallet's key into"
            f" {path}, readable only by you (chmod 600)"
        )
    return Wallet(address=spec.address, key_file=path, expected_signer=spec.api_wallet.expected_address)
