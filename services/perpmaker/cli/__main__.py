"""Where the `perpmaker` command begins, also as `python -m perpmaker.cli`.

The first process of a container is not ended by a SIGTERM that nobody handles. Told to end while it is still being
loaded, it would come up all the same and work until it is killed.
"""

from __future__ import annotations

import os
import signal


def main() -> None:
    """Run the command; until it handles SIGTERM itself, that ends the process at once, as nothing has begun."""
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _end)
    from perpmaker.cli.main import app

    app(prog_name="perpmaker")


def _end(number: int, _frame: object) -> None:
    os._exit(128 + number)


if __name__ == "__main__":
    main()
