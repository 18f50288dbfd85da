"""The independent clients and what each needs on the machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Client:
    """A client: the folder of its script, and the language its environment is made for."""

    folder: str
    language: Literal["python", "node"]

    @property
    def home(self) -> Path:
        return HERE / self.folder

    @property
    def scripts(self) -> tuple[Path, ...]:
        """What it runs: plain trading, then what else an account can do. Each has a venue of its own."""
        suffix = "py" if self.language == "python" else "mjs"
        return self.home / f"script.{suffix}", self.home / f"account.{suffix}"

    @property
    def pins(self) -> tuple[Path, ...]:
        """The files that say, by hash, what its environment holds."""
        names = ("requirements.txt",) if self.language == "python" else ("package.json", "package-lock.json", ".npmrc")
        return tuple(self.home / name for name in names)


CLIENTS = (
    Client("python_sdk", "python"),
    Client("ccxt", "python"),
    Client("nktkas", "node"),
    Client("nomeida", "node"),
)
