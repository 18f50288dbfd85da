"""`perpmaker certificates`: what cert-manager would do, for clusters without it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from perpmaker.common.identity import Identity

_RENEW = "run the same command again before then; services read the new files by themselves"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(certificates)


def certificates(
    namespace: Annotated[str, typer.Option(help="Namespace of the TradingAccount.")],
    account: Annotated[str, typer.Option(help="Name of the TradingAccount.")],
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder for one folder per certificate.")],
    maker: Annotated[
        list[str] | None, typer.Option("--maker", metavar="NAME", help="Name of a MarketMaker. May be repeated.")
    ] = None,
    ca_dir: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Folder of the authority, made when empty; OUT/ca when absent. Keep it."),
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=3650, help="How long the certificates are good.")] = 365,
    host: Annotated[
        list[str] | None,
        typer.Option("--host", metavar="NAME|ADDRESS", help="One more name that services are reached by. Repeatable."),
    ] = None,
    operator_namespace: Annotated[
        str, typer.Option(help="Namespace of the operator, for its Secret.")
    ] = "perpmaker-system",
    manifests: Annotated[
        bool, typer.Option("--manifests", help="Also write OUT/secrets.yaml, Secrets for kubectl apply.")
    ] = False,
) -> None:
    """Make the certificates with which the services of an account, the operator and people prove who they are."""
    import datetime

    from perpmaker.cli.authority import AuthorityError, open_authority, validity, write_secret

    now = datetime.datetime.now(datetime.UTC)
    folder = ca_dir or out / "ca"
    try:
        authority, is_new = open_authority(folder, now)
    except AuthorityError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    typer.echo(f"{'made' if is_new else 'using'} the authority in {folder}")
    not_before, not_after = validity(now, days)
    secrets: list[dict[str, Any]] = []
    for name, where, identity, hosts in _wanted(namespace, account, maker or [], operator_namespace):
        issued = authority.issue(identity, (*hosts, *(host or ())), not_before=not_before, not_after=not_after)
        target = out / name
        target.mkdir(parents=True, exist_ok=True)
        (target / "ca.crt").write_bytes(authority.certificate_pem)
        (target / "tls.crt").write_bytes(issued.certificate_pem)
        write_secret(target / "tls.key", issued.key_pem)
        typer.echo(f"written: {target} ({identity.uri})")
        secrets.append(
            _secret(
                name,
                where,
                {"ca.crt": authority.certificate_pem, "tls.crt": issued.certificate_pem, "tls.key": issued.key_pem},
            )
        )
    if manifests:
        import yaml

        file = out / "secrets.yaml"
        write_secret(file, yaml.safe_dump_all(secrets, sort_keys=False).encode())
        typer.echo(f"written: {file}; next: kubectl apply -f {file}")
    typer.echo(f"good until {not_after:%Y-%m-%d}; {_RENEW}")


def _wanted(
    namespace: str, account: str, makers: list[str], operator_namespace: str
) -> list[tuple[str, str, Identity, tuple[str, ...]]]:
    """Secret, its namespace, who it is for, and the names it is reached by."""
    from perpmaker.common.identity import Identity
    from perpmaker.common.identity import Role as Peer
    from perpmaker.operator import names

    owners = [(account, role) for role in (names.Role.GATEWAY, names.Role.ORDER_STATE, names.Role.RISK)]
    owners += [(maker, names.Role.QUOTER) for maker in makers]
    wanted = [
        (
            names.tls_secret(owner, role),
            namespace,
            Identity(Peer(role.value), namespace, account),
            _hosts(names.child(owner, role), namespace),
        )
        for owner, role in owners
    ]
    wanted.append(("perpmaker-operator-tls", operator_namespace, Identity(Peer.OPERATOR), ()))
    # By account: another account of the namespace has people of its own.
    wanted.append((f"{account}-cli-tls", namespace, Identity(Peer.CLI, namespace, account), ()))
    return wanted


def _hosts(child: str, namespace: str) -> tuple[str, ...]:
    return child, f"{child}.{namespace}", f"{child}.{namespace}.svc"


def _secret(name: str, namespace: str, files: dict[str, bytes]) -> dict[str, Any]:
    import base64

    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "type": "kubernetes.io/tls",
        "data": {file: base64.b64encode(content).decode() for file, content in files.items()},
    }
