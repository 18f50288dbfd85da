"""`python -m perpmaker.cli`: the same as the `perpmaker` command."""

from perpmaker.cli.main import app

if __name__ == "__main__":
    app(prog_name="perpmaker")
