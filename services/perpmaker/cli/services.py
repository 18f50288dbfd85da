"""The commands that are processes: the four services, each told what to do by one file, and the simulated exchange."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[
    Path,
    typer.Option(
        exists=True, dir_okay=False, readable=True, help="The service's part, a JSON file; unknown keys are errors."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(gateway)
    app.command("order-state")(order_state)
    app.command()(risk)
    app.command()(quoter)
    app.command("simulated-wallet", hidden=True)(simulated_wallet)


def gateway(config: Config) -> None:
    """Run the gateway of one account: the only process that holds its key."""
    from perpmaker.gateway.app import main

    _run(main, config)


def order_state(config: Config) -> None:
    """Run the order truth of one account."""
    from perpmaker.order_state.app import main

    _run(main, config)


def risk(config: Config) -> None:
    """Run the risk service of one account."""
    from perpmaker.risk.app import main

    _run(main, config)


def quoter(config: Config) -> None:
    """Run the quoter of one market."""
    from perpmaker.quoter.app import main

    _run(main, config)


def simulated_wallet(
    dir_: Annotated[Path, typer.Option("--dir", file_okay=False, help="Folder for the keys.")],
    api_url: Annotated[str, typer.Option(help="REST address of the simulated exchange.")],
) -> None:
    """Make a funded account with an approved API wallet on a simulated exchange."""
    from perpmaker.gateway.simulated_wallet import main

    main(dir_, api_url)


def _run(main: Callable[[Path], None], config: Path) -> None:
    from perpmaker.common.config import ConfigError

    try:
        main(config)
    except ConfigError as error:
        typer.echo(f"{error.path} cannot be used:", err=True)
        for problem in error.problems:
            typer.echo(f"    {problem}", err=True)
        raise typer.Exit(2) from error
