"""USDC of an account from spot to perpetuals or back, asked for once by the account's owner.

An API wallet cannot ask for it, so no running gateway can: the owner's key signs here and is forgotten when this
returns. An answer that does not come is no refusal, and asking again would be another transfer.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from perpmaker.common.clock import SystemClock
from perpmaker.common.decimals import format_e8
from perpmaker.gateway.connections.one_shot import NoAnswerError, NoExchangeError, one_shot
from perpmaker.gateway.key import load_key
from perpmaker.gateway.outcomes import Accepted, Malformed, Refused, read_answer
from perpmaker.gateway.owner_request import class_transfer, signed_body
from perpmaker.hyperliquid.networks import Network, api_url


@dataclass(frozen=True, slots=True)
class Transfer:
    """What to move."""

    amount_e8: int
    """USDC, scaled by 1e8."""
    to_perp: bool
    """From spot to perpetuals; the other way when not."""
    sub_account: str | None = None
    """Whose balances, when not the owner's own."""


class TransferError(Exception):
    """Nothing was moved; the text says why."""


class TransferUnknownError(Exception):
    """Whether anything was moved is not known; the text says how to find out."""

    def __init__(self, cause: str) -> None:
        super().__init__(f"{cause}; whether it was moved is not known: look at both balances before asking again")


def main(key_file: Path, network: Network, wanted: Transfer, url: str | None = None) -> str:
    """Carry out a transfer; returns the address of the key's account.

    `url` stands in for the network's public address; a simulated network has no other. Raises KeyFileError,
    TransferError, TransferUnknownError.
    """
    return asyncio.run(carry_out(key_file, network, wanted, url))


async def carry_out(key_file: Path, network: Network, wanted: Transfer, url: str | None = None) -> str:
    """The same from inside an event loop."""
    base = url or api_url(network)
    if base is None:
        raise TransferError("a simulated exchange has no public address; name its own")
    owner = load_key(key_file)
    action = class_transfer(
        network,
        format_e8(wanted.amount_e8),
        to_perp=wanted.to_perp,
        nonce=SystemClock().now_ms(),
        sub_account=wanted.sub_account,
    )
    try:
        async with one_shot(base) as exchange:
            answer = read_answer(await exchange.post("/exchange", signed_body(owner, action)))
    except NoExchangeError as error:
        raise TransferError(str(error)) from error
    except NoAnswerError as error:
        raise TransferUnknownError(str(error)) from error
    match answer:
        case Accepted():
            return owner.address
        case Refused(text):
            raise TransferError(f"the exchange refused: {text}")
        case Malformed():
            raise TransferUnknownError("the exchange's answer cannot be read")
