"""How a venue is run: what the command line chooses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from perpmaker.venue.engine.accounts import EXCHANGE_MEMORY
from perpmaker.venue.shell.latency import DEFAULT_LATENCIES


@dataclass(frozen=True, slots=True)
class VenueOptions:
    """Options of `perpmaker venue`. Port 0 takes any free port.

    `network` says which signing network is tried first when a signature could come from a newcomer on either;
    clients on localhost sign as for the testnet. The control port is always on loopback.

    `limits` are those of the exchange on requests of an account and of a network address, or none. Where one network
    address stands for several machines, `ip_identities` says how many; every limit per network address grows by it.

    `testnet_tiers` gives markets the testnet's small margin tiers and liquidates in parts from its smaller size on.
    `staked_tokens` is what each new account has staked, which lowers its fees.

    `market` says how the simulated participants trade. With `replay` a recording takes their place, `queue` says how
    orders advance in its queues; `record` writes such a recording. The format is in `flow/replay/schema.py`.
    """

    port: int = 0
    control_port: int = 0
    seed: int = 1
    host: str = "127.0.0.1"
    faucet_usdc: int = 100_000
    block_ms: int = 70
    markets: tuple[str, ...] = ("BTC", "ETH", "SOL", "HYPE")
    flow: bool = True
    market: Literal["gentle", "calibrated"] = "gentle"
    replay: Path | None = None
    queue: str = "power:2"
    record: Path | None = None
    network: Literal["mainnet", "testnet"] = "testnet"
    schedule_cancel_volume_usd: int = 0
    funding_interval_ms: int = 3_600_000
    book_ms: int = 5_000
    latencies: str = DEFAULT_LATENCIES
    """How long messages take, `CHANNEL=LEAST-MOST,...` in milliseconds; `ack` is the answer to an action."""
    answers: str = ""
    """Switches of `AnswerRules` that differ from their defaults, `NAME=VALUE,...`."""
    order_rules: str = ""
    """Switches of `OrderRules` that differ from their defaults, `NAME=VALUE,...`."""
    limits: Literal["exchange", "off"] = "exchange"
    limit_rules: str = ""
    """Switches of `AddressRules`, `IpRules` and `SocketRules` that differ, `address.NAME=VALUE,ip.NAME=VALUE,...`."""
    ip_identities: int = 1
    address_requests: int = 10_000
    ws_users: int = 10
    sub_account_volume_usd: int = 100_000
    orders_kept: int = EXCHANGE_MEMORY.orders
    """Orders that ended which an account's memory holds."""
    fills_kept: int = EXCHANGE_MEMORY.fills
    testnet_tiers: bool = False
    staked_tokens: int = 0
    virtual_time: bool = False
    """Time passes only when the control port says so."""
    start_ms: int = 0
    """Time of the first block; 0 takes the machine's."""
    faults: str = ""
    """File of a fault schedule, or `random:SEED[:INTENSITY]`; empty for none."""
    journal: str = ""
    """File to record into; empty for none."""
