"""The command that only an account's owner can use: moving USDC between the account's own balances."""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


class Balance(Enum):
    """Where the amount goes."""

    PERP = "perp"
    SPOT = "spot"


class RealNetwork(Enum):
    """Networks with an address of their own."""

    MAINNET = "mainnet"
    TESTNET = "testnet"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(transfer)


def transfer(
    amount: Annotated[str, typer.Option(help="USDC, a plain decimal.")],
    to: Annotated[Balance, typer.Option(help="Balance to fill; the amount comes from the other one.")],
    key_file: Annotated[
        Path, typer.Option(dir_okay=False, help="Key of the account itself, 64 hex digits, readable by you alone.")
    ],
    network: Annotated[
        RealNetwork | None, typer.Option(help="Where the account lives; or name a simulated exchange.")
    ] = None,
    api_url: Annotated[str | None, typer.Option(help="REST address of a simulated exchange.")] = None,
    sub_account: Annotated[str | None, typer.Option(help="Do it for this sub-account of the account.")] = None,
) -> None:
    """Move USDC of an account from spot to perpetuals or back.

    An API wallet cannot do this. Use it where the account's own key lives, never where the market maker runs.
    """
    from perpmaker.common.decimals import NotADecimalError, parse_e8
    from perpmaker.gateway.key import KeyFileError
    from perpmaker.gateway.transfer import Transfer, TransferError, TransferUnknownError, main
    from perpmaker.hyperliquid.networks import Network

    if (network is None) == (api_url is None):
        raise typer.BadParameter("name one of --network and --api-url")
    if sub_account is not None and not _ADDRESS.fullmatch(sub_account):
        raise typer.BadParameter(f"{sub_account!r} is no address", param_hint="--sub-account")
    try:
        amount_e8 = parse_e8(amount)
    except NotADecimalError as error:
        raise typer.BadParameter(str(error), param_hint="--amount") from error
    if amount_e8 <= 0:
        raise typer.BadParameter("an amount is more than nothing", param_hint="--amount")
    where = {None: Network.SIMULATED, RealNetwork.MAINNET: Network.MAINNET, RealNetwork.TESTNET: Network.TESTNET}
    try:
        owner = main(key_file, where[network], Transfer(amount_e8, to is Balance.PERP, sub_account), api_url)
    except KeyFileError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    except (TransferError, TransferUnknownError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    typer.echo(f"{amount} USDC of {sub_account or owner} moved to {to.value}")
