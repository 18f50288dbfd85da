"""`python -m tests.e2e.cluster`: a cluster by hand, as the tests use it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from tests.e2e.cluster import assets, places
from tests.e2e.cluster.cluster import Cluster
from tests.e2e.cluster.needs import PACKAGES
from tests.e2e.cluster.processes import ClusterError

app = typer.Typer(
    help=f"A real one-node Kubernetes cluster from plain binaries. A node needs root and the Debian packages"
    f" {', '.join(PACKAGES)}; without a node etcd-server is enough.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Name = Annotated[str, typer.Option(help="Which cluster; each has a state folder of its own.")]
DaemonName = Annotated[str, typer.Argument(metavar="DAEMON", help="A name as `ps` shows it.")]
_REST = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def _cluster(name: str) -> Cluster:
    return Cluster.at(places.folder() / name)


@app.command()
def build() -> None:
    """Build the programs, or say where they are."""
    typer.echo(assets.find_or_build(typer.echo))


@app.command()
def up(
    name: Name = "hand",
    control_only: Annotated[bool, typer.Option(help="No node, no root: only the API.")] = False,
    image: Annotated[list[Path] | None, typer.Option(help="Image archive to load. May be repeated.")] = None,
) -> None:
    """Start a cluster; one of the same name is taken down first."""
    places.sweep()
    programs = assets.find_or_build(typer.echo)
    state = places.folder() / name
    cluster = Cluster.create(state, programs, has_node=not control_only, archives=image or (), say=typer.echo)
    typer.echo(f"export KUBECONFIG={cluster.kubeconfig} PATH={programs}:$PATH")


@app.command()
def down(name: Name = "hand") -> None:
    """End a cluster and remove every trace of it."""
    _cluster(name).down()


@app.command("list")
def list_() -> None:
    """Every cluster of this user."""
    for cluster in places.all_clusters():
        state = "running" if cluster.is_running else "ended"
        owner = ", left behind" if cluster.is_orphaned else ""
        typer.echo(f"{cluster.layout.state.name:20} {'node' if cluster.layout.has_node else 'control'} {state}{owner}")


@app.command()
def ps(name: Name = "hand") -> None:
    """The daemons: process as the host numbers it, resident memory."""
    for daemon, process in _cluster(name).processes().items():
        told = f"{process.pid:8} {process.resident_bytes >> 20:5} MiB" if process else f"{'ended':>8}"
        typer.echo(f"{daemon:24} {told}")


@app.command()
def load(archives: list[Path], name: Name = "hand") -> None:
    """Make images known to the node."""
    _cluster(name).load(archives)


@app.command()
def start(daemon: DaemonName, name: Name = "hand") -> None:
    """Start a daemon that ended."""
    _cluster(name).start(daemon)


@app.command()
def stop(daemon: DaemonName, name: Name = "hand") -> None:
    """Tell a daemon to end."""
    _cluster(name).stop(daemon)


@app.command()
def kill(daemon: DaemonName, name: Name = "hand") -> None:
    """End a daemon at once."""
    _cluster(name).kill(daemon)


@app.command()
def pause(daemon: DaemonName, name: Name = "hand") -> None:
    """Stop a daemon in its tracks."""
    _cluster(name).pause(daemon)


@app.command()
def resume(daemon: DaemonName, name: Name = "hand") -> None:
    """Let a stopped daemon go on."""
    _cluster(name).resume(daemon)


@app.command(context_settings=_REST)
def kubectl(context: typer.Context, name: Name = "hand") -> NoReturn:
    """Run kubectl as administrator: everything after the word is kubectl's."""
    cluster = _cluster(name)
    program = cluster.layout.assets / "kubectl"
    os.execv(program, [str(program), f"--kubeconfig={cluster.kubeconfig}", *context.args])


@app.command(context_settings=_REST)
def run(context: typer.Context, name: Name = "hand") -> None:
    """Run a command inside the node."""
    raise typer.Exit(subprocess.call(_cluster(name).entered(context.args)))


def main() -> None:
    """Run the command line."""
    try:
        app()
    except (ClusterError, assets.AssetsError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
