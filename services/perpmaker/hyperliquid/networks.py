"""Where each network listens and how it is named inside signatures. Source: Hyperliquid API docs."""

from __future__ import annotations

import enum
from typing import Literal


class Network(enum.Enum):
    """Networks an account can live on."""

    MAINNET = "Mainnet"
    TESTNET = "Testnet"
    SIMULATED = "Simulated"


_API_URL = {
    Network.MAINNET: "https://api.hyperliquid.xyz",
    Network.TESTNET: "https://api.hyperliquid-testnet.xyz",
}


def api_url(network: Network) -> str | None:
    """Public API address; None for a simulated network, whose address the runner decides."""
    return _API_URL.get(network)


def network_at(url: str) -> Network | None:
    """Network whose public API address this is; None for any other address, which may stand for any of them."""
    return next((network for network, known in _API_URL.items() if url.rstrip("/").lower() == known), None)


def ws_url(api: str) -> str:
    """WebSocket address that belongs to an API address."""
    return f"ws{api.removeprefix('http').rstrip('/')}/ws"


def signing_source(network: Network) -> str:
    """Source letter of the phantom agent: "a" on mainnet, "b" everywhere else."""
    return "a" if network is Network.MAINNET else "b"


def chain_name(network: Network) -> Literal["Mainnet", "Testnet"]:
    """Name in requests of an account's owner; a simulated network takes that of the testnet."""
    return "Mainnet" if network is Network.MAINNET else "Testnet"
