"""The commands that ask or tell running services: every call has a deadline, and an error says what to do next."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import typer

if TYPE_CHECKING:
    from grpc import aio

    from perpmaker.common.tls import Tls
    from perpmaker.proto.orderstate.v1.orderstate_pb2_grpc import OrdersServiceAsyncStub
    from perpmaker.proto.risk.v1.risk_pb2_grpc import RiskServiceAsyncStub

READ_DEADLINE_S: Final = 3.0
EMPTYING_DEADLINE_S: Final = 15.0
"""For calls that answer when the exchange shows an empty book."""

T = TypeVar("T")

RiskTarget = Annotated[str, typer.Option("--risk", metavar="TARGET", help="Risk service: host:port or unix:/path.")]
TlsDir = Annotated[
    Path | None,
    typer.Option(
        "--tls-dir",
        envvar="PERPMAKER_TLS_DIR",
        metavar="DIR",
        help="Folder with ca.crt, tls.crt and tls.key, for services that want to know who asks. Plaintext when absent.",
    ),
]
TlsName = Annotated[
    str | None,
    typer.Option(
        "--tls-name",
        envvar="PERPMAKER_TLS_NAME",
        metavar="NAME",
        help="Name in the service's certificate when it is not the target's, e.g. main-risk behind a forwarded port.",
    ),
]
DrainId = Annotated[str, typer.Option(help="Name of this closing; the same name joins one that is under way.")]


@dataclass(frozen=True, slots=True)
class Peer:
    """A service to ask, and how."""

    target: str
    tls_dir: Path | None = None
    tls_name: str | None = None

    def tls(self) -> Tls | None:
        """The caller's certificate; None for plaintext."""
        from perpmaker.common.tls import Tls

        if (folder := self.tls_dir) is None:
            return None
        return Tls(certificate_file=folder / "tls.crt", key_file=folder / "tls.key", ca_file=folder / "ca.crt")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (why, status, trip, rearm, close, open_):
        app.command(command.__name__.rstrip("_"))(command)


def why(
    cloid: Annotated[str, typer.Argument(help="Client order id: 0x and 32 hex digits.")],
    order_state: Annotated[
        str, typer.Option("--order-state", metavar="TARGET", help="order-state: host:port or unix:/path.")
    ],
    tls_dir: TlsDir = None,
    tls_name: TlsName = None,
) -> None:
    """Tell what a client order id says, and the order's history from the journal."""
    from perpmaker.cli import show
    from perpmaker.common.cloid import decode
    from perpmaker.proto.orderstate.v1.orderstate_pb2 import ExplainRequest

    decoded = decode(cloid.lower())
    typer.echo(show.cloid(cloid, decoded))
    if decoded is None:
        raise typer.Exit(2)
    answer = _ask(
        Peer(order_state, tls_dir, tls_name),
        lambda c: _orders(c).Explain(ExplainRequest(cloid=cloid.lower()), timeout=READ_DEADLINE_S),
    )
    if not answer.entries and not answer.HasField("order"):
        typer.echo("order-state has no record of it: another account's order, or older than the journal", err=True)
        raise typer.Exit(1)
    typer.echo(show.history(answer))


def status(
    risk: Annotated[
        list[str],
        typer.Option("--risk", metavar="TARGET", help="Risk service: host:port or unix:/path. May be repeated."),
    ],
    tls_dir: TlsDir = None,
    tls_name: TlsName = None,
) -> None:
    """Tell what each risk service sees and allows."""
    from perpmaker.cli import show
    from perpmaker.proto.risk.v1.risk_pb2 import GetStateRequest

    for target in risk:
        state = _ask(
            Peer(target, tls_dir, tls_name), lambda c: _risk(c).GetState(GetStateRequest(), timeout=READ_DEADLINE_S)
        )
        typer.echo(show.risk_state(target, state))


def trip(
    risk: RiskTarget,
    reason: Annotated[str, typer.Option(help="Why, shown wherever the trip is shown.")],
    market: Annotated[str, typer.Option(help="Only this market; the whole account when absent.")] = "",
    tls_dir: TlsDir = None,
    tls_name: TlsName = None,
) -> None:
    """Fire the kill switch: no orders, the book is emptied, and it stays so until `rearm`."""
    from perpmaker.proto.risk.v1.risk_pb2 import TripRequest

    request = TripRequest(market=market, reason=reason)
    answer = _ask(Peer(risk, tls_dir, tls_name), lambda c: _risk(c).Trip(request, timeout=EMPTYING_DEADLINE_S))
    typer.echo(f"tripped {market or 'the account'}: {answer.trip_id}")
    typer.echo(f"to trade again: perpmaker rearm {answer.trip_id} --risk {risk}")
    _require_empty(answer.verified_empty, "the exchange did not show an empty book in time; look at `perpmaker status`")


def rearm(
    trip_id: Annotated[str, typer.Argument(help="Id of the trip, from `trip` or `status`.")],
    risk: RiskTarget,
    tls_dir: TlsDir = None,
    tls_name: TlsName = None,
) -> None:
    """Acknowledge a trip, so that trading goes on."""
    from perpmaker.proto.risk.v1.risk_pb2 import RearmRequest

    answer = _ask(
        Peer(risk, tls_dir, tls_name), lambda c: _risk(c).Rearm(RearmRequest(trip_id=trip_id), timeout=READ_DEADLINE_S)
    )
    typer.echo("rearmed" if answer.released else "was rearmed before")


def close(
    market: Annotated[str, typer.Argument(help="Market, e.g. BTC.")],
    risk: RiskTarget,
    drain_id: DrainId = "perpmaker-close",
    tls_dir: TlsDir = None,
    tls_name: TlsName = None,
) -> None:
    """Close a market: cancel its orders, allow no new ones, keep the position."""
    from perpmaker.proto.risk.v1.risk_pb2 import CloseMarketRequest

    request = CloseMarketRequest(market=market, drain_id=drain_id)
    answer = _ask(Peer(risk, tls_dir, tls_name), lambda c: _risk(c).CloseMarket(request, timeout=EMPTYING_DEADLINE_S))
    _require_empty(
        answer.verified_empty, f"{market} is closed, but {answer.remaining} orders are still in doubt; try again"
    )
    typer.echo(f"{market} is closed and its book is empty")


def open_(
    market: Annotated[str, typer.Argument(help="Market, e.g. BTC.")],
    risk: RiskTarget,
    tls_dir: TlsDir = None,
    tls_name: TlsName = None,
) -> None:
    """Let a closed market trade again."""
    from perpmaker.proto.risk.v1.risk_pb2 import OpenMarketRequest

    _ask(
        Peer(risk, tls_dir, tls_name),
        lambda c: _risk(c).OpenMarket(OpenMarketRequest(market=market), timeout=READ_DEADLINE_S),
    )
    typer.echo(f"{market} is open")


def _require_empty(verified: bool, otherwise: str) -> None:
    if not verified:
        typer.echo(otherwise, err=True)
        raise typer.Exit(1)


def _risk(channel: aio.Channel) -> RiskServiceAsyncStub:
    from perpmaker.proto.risk.v1.risk_pb2_grpc import RiskServiceStub

    return RiskServiceStub(channel)


def _orders(channel: aio.Channel) -> OrdersServiceAsyncStub:
    from perpmaker.proto.orderstate.v1.orderstate_pb2_grpc import OrdersServiceStub

    return OrdersServiceStub(channel)


def _ask(peer: Peer, call: Callable[[aio.Channel], Awaitable[T]]) -> T:
    """Make one call to one service; an error becomes a sentence and exit code 1."""
    from grpc import StatusCode, aio

    from perpmaker.common import rpc
    from perpmaker.common.tls import TlsError

    async def ask() -> T:
        async with rpc.connect(peer.target, peer.tls(), server_name=peer.tls_name) as channel:
            return await call(channel)

    target = peer.target
    cause: Exception
    try:
        return asyncio.run(ask())
    except TlsError as error:
        told, cause = f"--tls-dir cannot be used: {error}", error
    except aio.AioRpcError as error:
        cause = error
        details = error.details() or ""
        match error.code():
            case StatusCode.UNAVAILABLE:
                told = _unreachable(target, details, with_tls=peer.tls_dir is not None)
            case StatusCode.DEADLINE_EXCEEDED:
                told = f"{target} did not answer in time; what was asked may still happen, so look before asking again"
            case code:
                told = f"{target} refused: {details or code.name.lower()}"
    typer.echo(told, err=True)
    raise typer.Exit(1) from cause


# How gRPC words what a handshake ran into; there is no code for it.
_SPEAKS_PLAINTEXT: Final = "WRONG_VERSION_NUMBER"
_OTHER_NAME: Final = "Hostname Verification"
_OTHER_AUTHORITY: Final = "CERTIFICATE_VERIFY_FAILED"
_HUNG_UP: Final = ("Socket closed", "onnection reset")


def _unreachable(target: str, details: str, *, with_tls: bool) -> str:
    if with_tls and _SPEAKS_PLAINTEXT in details:
        return f"{target} speaks plaintext; leave out --tls-dir (and unset PERPMAKER_TLS_DIR)"
    if with_tls and _OTHER_NAME in details:
        return (
            f"the certificate at {target} is for another name; if the port is forwarded, say which service it is,"
            " e.g. --tls-name main-risk"
        )
    if with_tls and _OTHER_AUTHORITY in details:
        return f"the certificate at {target} is not signed by the authority in ca.crt, or has expired ({details})"
    if any(words in details for words in _HUNG_UP):
        if with_tls:
            return (
                f"{target} hung up: it does not accept the certificate in --tls-dir (expired, or of another authority)"
            )
        return f"{target} hung up; if its services use TLS, give --tls-dir DIR with ca.crt, tls.crt and tls.key"
    return f"nothing answers at {target} ({details}); check the address and that the service is running"
