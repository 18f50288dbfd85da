"""The `perpmaker` command: one entry point for traders, operators and the processes themselves.

Exit codes: 0 it went well, 1 it ran and failed, 2 the input cannot be used and nothing was started. Everything heavy is
imported by the command that needs it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from perpmaker.cli import certificates, control, operator, services, transfer

app = typer.Typer(
    name="perpmaker",
    help="A market maker for Hyperliquid perpetuals.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

DEFAULT_FILES = Path("deploy/examples")
DEFAULT_CRDS = Path("charts/perpmaker/crds")
KINDS_PAGE = Path("docs/reference/kinds.md")

Files = Annotated[
    list[Path] | None,
    typer.Option("-f", "--file", metavar="FILE|DIR", help="YAML file, or folder of YAML files. May be repeated."),
]

MoreFiles = Annotated[
    list[Path] | None,
    typer.Argument(metavar="FILE|DIR", help="More files, so that -f *.yaml works.", show_default=False),
]


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("perpmaker"))
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and exit.")
    ] = False,
) -> None:
    """A market maker for Hyperliquid perpetuals."""


def _duration(text: str | None) -> float | None:
    from perpmaker.cli.durations import parse_duration_s

    if text is None:
        return None
    try:
        seconds = parse_duration_s(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--for") from error
    return seconds or None


@app.command()
def up(
    more: MoreFiles = None,
    file: Files = None,
    for_: Annotated[
        str | None,
        typer.Option(
            "--for", metavar="DURATION", help="How long to quote: 60s, 5m, 1h30m. Until Ctrl-C when absent or 0."
        ),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Where store, logs and keys are kept. A temporary folder when absent."),
    ] = None,
    json_lines: Annotated[
        bool, typer.Option("--json", help="One JSON object per line, the last one the summary, instead of the view.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of the simulated exchange.")] = 1,
    redis_url: Annotated[
        str | None, typer.Option(metavar="URL", help="An existing Redis-protocol server instead of the embedded one.")
    ] = None,
    rehearse: Annotated[
        bool,
        typer.Option(
            "--rehearse",
            help="Every 20 s lose an answer of the simulated exchange or kill a quoter, for show.",
        ),
    ] = False,
    log_level: Annotated[
        str | None, typer.Option(metavar="LEVEL", help="Log level of every service: debug, info, warning.")
    ] = None,
) -> None:
    """Run the whole system on this machine and quote the markets of the files.

    Without -f the examples in deploy/examples are used.
    """
    from perpmaker.api.load import load
    from perpmaker.cli import report

    for_s = _duration(for_)
    files = (*(file or ()), *(more or ()))
    if not files and DEFAULT_FILES.is_dir():
        files = (DEFAULT_FILES,)
    if not files:
        raise typer.BadParameter("say what to quote: -f FILE or -f DIR", param_hint="-f")
    loaded = load(files)
    if loaded.report.violations:
        report.show(loaded, err=True)
    if not loaded.report.ok:
        raise typer.Exit(2)
    if not loaded.makers:
        typer.echo("nothing to quote: the files have no MarketMaker; deploy/examples/btc.yaml is one", err=True)
        raise typer.Exit(2)

    from perpmaker.local.app import main
    from perpmaker.local.options import UpOptions

    raise typer.Exit(
        main(
            UpOptions(
                files=files,
                for_s=for_s,
                data_dir=data_dir,
                json_lines=json_lines,
                seed=seed,
                redis_url=redis_url,
                rehearse=rehearse,
                log_level=log_level,
            )
        )
    )


@app.command()
def validate(
    more: MoreFiles = None,
    file: Files = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as one JSON object.")] = False,
) -> None:
    """Tell everything that is wrong with the files, at once. Starts nothing."""
    from perpmaker.api.load import load
    from perpmaker.cli import report

    files = (*(file or ()), *(more or ()))
    if not files:
        raise typer.BadParameter("say what to check: -f FILE or -f DIR", param_hint="-f")
    loaded = load(files)
    if as_json:
        typer.echo(report.as_json(loaded))
    else:
        report.show(loaded)
    raise typer.Exit(0 if loaded.report.ok else 2)


@app.command()
def schema(
    out: Annotated[
        Path, typer.Option(file_okay=False, help="Folder for the CustomResourceDefinitions.")
    ] = DEFAULT_CRDS,
    docs: Annotated[
        bool, typer.Option("--docs", help=f"Write the reference page of the kinds, {KINDS_PAGE}, instead.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 when a file is not what would be written.")
    ] = False,
) -> None:
    """Write the CustomResourceDefinitions of both kinds, or their reference page."""
    from perpmaker.api.reference import kinds_page
    from perpmaker.api.schema import rendered_files

    texts = {KINDS_PAGE: kinds_page()} if docs else {out / name: text for name, text in rendered_files().items()}
    stale = [path for path, text in texts.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(texts[path], encoding="utf-8")
        typer.echo(f"{'out of date' if check else 'written'}: {path}")
    if check and stale:
        typer.echo(f"run: perpmaker schema{' --docs' if docs else ''}", err=True)
        raise typer.Exit(1)


services.register(app)
control.register(app)
certificates.register(app)
transfer.register(app)
app.add_typer(operator.app, name="operator")
