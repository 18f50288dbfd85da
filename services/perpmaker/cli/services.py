"""The commands that are processes: the four services, each told what to do by one file, and the simulated exchange."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import typer

from perpmaker.venue.options import VenueOptions

_VENUE = VenueOptions()

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
    simulated = typer.Typer(invoke_without_command=True)
    simulated.callback()(venue)
    simulated.command("faults")(venue_faults)
    simulated.command("replay-journal")(venue_replay_journal)
    app.add_typer(simulated, name="venue")
    app.command()(store)
    app.command("simulated-wallet", hidden=True)(simulated_wallet)


def gateway(config: Config) -> None:
    """Run the gateway of one account: the only process that holds its key."""
    from perpmaker.gateway.app import main

    run_process(main, config)


def order_state(config: Config) -> None:
    """Run the order truth of one account."""
    from perpmaker.order_state.app import main

    run_process(main, config)


def risk(config: Config) -> None:
    """Run the risk service of one account."""
    from perpmaker.risk.app import main

    run_process(main, config)


def quoter(config: Config) -> None:
    """Run the quoter of one market."""
    from perpmaker.quoter.app import main

    run_process(main, config)


def venue_faults() -> None:
    """List every operation of the control port, and every fault it can throw."""
    from perpmaker.venue.app import show_faults

    show_faults()


def venue_replay_journal(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="Journal of a venue.")],
) -> None:
    """Run a journal again, and compare every answer and every state hash with what was recorded."""
    from perpmaker.venue.app import replay_journal

    replay_journal(file)


def venue(
    ctx: typer.Context,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the exchange API; 0 takes a free one.")
    ] = _VENUE.port,
    control_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the control plane, on loopback only; 0 takes a free one.")
    ] = _VENUE.control_port,
    seed: Annotated[int, typer.Option(help="Seed of everything that is random.")] = _VENUE.seed,
    host: Annotated[str, typer.Option(help="Address of the exchange API.")] = _VENUE.host,
    faucet: Annotated[
        int, typer.Option(min=0, metavar="USDC", help="Gift to each new address that signs; 0 for none.")
    ] = _VENUE.faucet_usdc,
    block_ms: Annotated[int, typer.Option(min=1, help="Time between two blocks, milliseconds.")] = _VENUE.block_ms,
    markets: Annotated[str, typer.Option(metavar="COIN,...", help="Markets to list.")] = ",".join(_VENUE.markets),
    flow: Annotated[bool, typer.Option(help="Let simulated traders and makers trade.")] = _VENUE.flow,
    market: Annotated[
        Literal["gentle", "calibrated"],
        typer.Option(help="How they trade: with room inside the spread, or as in the real books of these coins."),
    ] = _VENUE.market,
    replay: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Play this recording of books and trades instead of them."),
    ] = _VENUE.replay,
    queue: Annotated[
        str, typer.Option(metavar="log|power:N", help="How orders advance in the queues of a recording.")
    ] = _VENUE.queue,
    record: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Write such a recording of this run.")
    ] = _VENUE.record,
    network: Annotated[
        Literal["mainnet", "testnet"], typer.Option(help="Network that a newcomer's signature is tried on first.")
    ] = _VENUE.network,
    schedule_cancel_volume: Annotated[
        int, typer.Option(min=0, metavar="USD", help="Traded volume below which scheduleCancel is refused.")
    ] = _VENUE.schedule_cancel_volume_usd,
    funding_interval_ms: Annotated[
        int, typer.Option(min=1, help="Time between two funding payments, milliseconds.")
    ] = _VENUE.funding_interval_ms,
    book_ms: Annotated[
        int, typer.Option(min=1, help="Time between two l2Book messages of an ordinary subscription, milliseconds.")
    ] = _VENUE.book_ms,
    latencies: Annotated[
        str,
        typer.Option(metavar="CHANNEL=MS-MS,...", help="How long messages take; ack is the answer to an action."),
    ] = _VENUE.latencies,
    answers: Annotated[
        str,
        typer.Option(
            metavar="NAME=VALUE,...", help="Choices where observers of the exchange differ; 0 or 1 for flags."
        ),
    ] = _VENUE.answers,
    order_rules: Annotated[
        str,
        typer.Option(metavar="NAME=VALUE,...", help="Choices about orders that are not known; 0 or 1 for flags."),
    ] = _VENUE.order_rules,
    limits: Annotated[
        Literal["exchange", "off"], typer.Option(help="Limit requests as the exchange does, or not at all.")
    ] = _VENUE.limits,
    limit_rules: Annotated[
        str,
        typer.Option(metavar="WHOM.NAME=VALUE,...", help="Limits that differ from the exchange's; 0 or 1 for flags."),
    ] = _VENUE.limit_rules,
    ip_identities: Annotated[
        int, typer.Option(min=1, help="How many machines one network address stands for; multiplies its limits.")
    ] = _VENUE.ip_identities,
    address_requests: Annotated[
        int, typer.Option(min=0, help="Requests an account has before it has traded anything.")
    ] = _VENUE.address_requests,
    ws_users: Annotated[
        int, typer.Option(min=1, help="Different users one network address may subscribe to.")
    ] = _VENUE.ws_users,
    sub_account_volume: Annotated[
        int, typer.Option(min=0, metavar="USD", help="Traded volume below which createSubAccount is refused.")
    ] = _VENUE.sub_account_volume_usd,
    orders_kept: Annotated[
        int, typer.Option(min=0, help="Ended orders that an account remembers.")
    ] = _VENUE.orders_kept,
    fills_kept: Annotated[int, typer.Option(min=1, help="Fills that an account remembers.")] = _VENUE.fills_kept,
    testnet_tiers: Annotated[
        bool, typer.Option("--testnet-tiers", help="Margin tiers and liquidations of the testnet, which are small.")
    ] = _VENUE.testnet_tiers,
    staked_tokens: Annotated[
        int, typer.Option(min=0, metavar="N", help="What each new account has staked; lowers its fees.")
    ] = _VENUE.staked_tokens,
    virtual_time: Annotated[
        bool, typer.Option("--virtual-time", help="Let time pass only when the control port's advance says so.")
    ] = _VENUE.virtual_time,
    start_ms: Annotated[
        int, typer.Option(min=0, help="Time of the first block, milliseconds; 0 takes the machine's.")
    ] = _VENUE.start_ms,
    faults: Annotated[
        str, typer.Option(metavar="FILE|random:SEED[:INTENSITY]", help="Schedule of faults to carry out.")
    ] = _VENUE.faults,
    journal: Annotated[
        str, typer.Option(metavar="FILE", help="New file to record everything into, for replay-journal.")
    ] = _VENUE.journal,
) -> None:
    """Run a simulated exchange on this machine, alone."""
    if ctx.invoked_subcommand is not None:
        return
    from perpmaker.venue.app import main

    main(
        VenueOptions(
            port=port,
            control_port=control_port,
            seed=seed,
            host=host,
            faucet_usdc=faucet,
            block_ms=block_ms,
            markets=tuple(coin.strip() for coin in markets.split(",") if coin.strip()),
            flow=flow,
            market=market,
            replay=replay,
            queue=queue,
            record=record,
            network=network,
            schedule_cancel_volume_usd=schedule_cancel_volume,
            funding_interval_ms=funding_interval_ms,
            book_ms=book_ms,
            latencies=latencies,
            answers=answers,
            order_rules=order_rules,
            limits=limits,
            limit_rules=limit_rules,
            ip_identities=ip_identities,
            address_requests=address_requests,
            ws_users=ws_users,
            sub_account_volume_usd=sub_account_volume,
            orders_kept=orders_kept,
            fills_kept=fills_kept,
            testnet_tiers=testnet_tiers,
            staked_tokens=staked_tokens,
            virtual_time=virtual_time,
            start_ms=start_ms,
            faults=faults,
            journal=journal,
        )
    )


def store(
    data: Annotated[
        Path, typer.Option("--data", file_okay=False, help="Folder of the append-only file; all that is written.")
    ],
    acl_file: Annotated[
        Path,
        typer.Option("--acl-file", dir_okay=False, help="Users of the store; it must turn the default user off."),
    ],
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 6379,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "0.0.0.0",
) -> None:
    """Run the store of an account: a Redis-protocol server that keeps every write and evicts nothing.

    It becomes the server that comes with this installation (valkey-server, else redis-server on PATH). Nobody gets in
    without a user of the ACL file.
    """
    from perpmaker.local.store import StoreUnusableError
    from perpmaker.local.store_server import ServerOptions, main

    try:
        main(ServerOptions(data=data, acl_file=acl_file, host=host, port=port))
    except StoreUnusableError as error:
        typer.echo(f"perpmaker store: {error}", err=True)
        raise typer.Exit(2) from error


def simulated_wallet(
    dir_: Annotated[Path, typer.Option("--dir", file_okay=False, help="Folder for the keys.")],
    api_url: Annotated[str, typer.Option(help="REST address of the simulated exchange.")],
) -> None:
    """Make a funded account with an approved API wallet on a simulated exchange."""
    from perpmaker.gateway.key import KeyFileError
    from perpmaker.gateway.simulated_wallet import WalletError, main

    try:
        wallet = main(dir_, api_url)
    except (WalletError, KeyFileError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    typer.echo(wallet.account.address)


def run_process(main: Callable[[Path], None], config: Path) -> None:
    """Run a process with its configuration file; tells what is wrong with the file and exits with 2."""
    from perpmaker.common.config import ConfigError

    try:
        main(config)
    except ConfigError as error:
        typer.echo(f"{error.path} cannot be used:", err=True)
        for problem in error.problems:
            typer.echo(f"    {problem}", err=True)
        raise typer.Exit(2) from error
