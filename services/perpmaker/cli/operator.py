"""`perpmaker operator`: the process in the cluster, and the end of an installation."""

from __future__ import annotations

from typing import Annotated

import typer

from perpmaker.cli.services import Config, run_process

app = typer.Typer(help="The Kubernetes operator.", no_args_is_help=True)


@app.command("run")
def run(config: Config) -> None:
    """Run the operator: TradingAccounts and MarketMakers become running services."""
    from perpmaker.operator.app import main

    run_process(main, config)


@app.command("uninstall")
def uninstall(
    namespace: Annotated[
        list[str] | None,
        typer.Option("-n", "--namespace", metavar="NS", help="May be repeated; the whole cluster when absent."),
    ] = None,
    timeout: Annotated[str, typer.Option(metavar="DURATION", help="How long to wait for all to be gone.")] = "120s",
) -> None:
    """Delete all MarketMakers, then all TradingAccounts, and wait until they are gone; the operator must be running.

    Exit code 1 when something is left.
    """
    from perpmaker.cli.durations import parse_duration_s
    from perpmaker.operator.interfaces import KubeError
    from perpmaker.operator.kube.credentials import CredentialsError
    from perpmaker.operator.uninstall import main

    try:
        timeout_s = parse_duration_s(timeout)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--timeout") from error
    try:
        is_clean = main(namespace or (), timeout_s, typer.echo)
    except CredentialsError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    except KubeError as error:
        typer.echo(f"{error}; the service account needs get, list and delete on both kinds", err=True)
        raise typer.Exit(1) from error
    raise typer.Exit(0 if is_clean else 1)
