"""What the simulated exchange carries on one core: simulated time, actions with and without signatures, listeners."""

from __future__ import annotations

import asyncio
import gc
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp
import msgspec

from perpmaker.common.decimals import format_e8
from perpmaker.common.metrics import Reservoir
from perpmaker.gateway.key import SigningKey
from perpmaker.gateway.signing import Signer
from perpmaker.hyperliquid.wire import LimitTerms, OrderAction, OrderType, OrderWire
from perpmaker.venue.admission import SignedAction
from perpmaker.venue.core import Block, Venue, build_venue
from perpmaker.venue.engine.execute import Answer, Ok
from perpmaker.venue.engine.listings import LISTINGS
from perpmaker.venue.engine.markets import Market, list_markets
from perpmaker.venue.engine.state import Rules
from perpmaker.venue.flow.participants import HouseParticipants
from perpmaker.venue.options import VenueOptions
from perpmaker.venue.shell.server import running_venue
from perpmaker.venue.units import E8
from perpmaker.venue.wire.decode import decode_envelope, to_engine
from perpmaker.venue.wire.signatures import SOURCES, signers_of

BLOCK_MS = 70
START_MS = 1_760_000_000_000
SIMULATED_S = 300
MARKETS = 20
ACCOUNTS = 50
SUBSCRIBERS = 100
LISTEN_S = 8.0
_SETTLE_S = 4.0
_ACTIONS = 4_000
_ACTIONS_PER_BLOCK = 140
_HOME = SOURCES["testnet"]
_TIME = re.compile(rb'"time":(\d+)')


@dataclass(frozen=True, slots=True)
class FanOut:
    """What `SUBSCRIBERS` listeners on this core received, and how long after the block was committed."""

    messages_per_s: float
    bytes_per_s: float
    cpu_us_per_message: float
    """Venue and listener together."""
    delay_us: Reservoir


def simulated_seconds_per_cpu_second() -> float:
    """One calibrated BTC market, nobody listening."""
    markets = list_markets(("BTC",))
    venue = build_venue(markets, Rules(), seed=1, faucet_e8=0, participants=HouseParticipants(markets, 1, "calibrated"))
    began_s = time.process_time()
    for block in range(SIMULATED_S * 1_000 // BLOCK_MS):
        venue.step(START_MS + BLOCK_MS * block)
    return SIMULATED_S / (time.process_time() - began_s)


def actions_per_cpu_second(*, with_signatures: bool) -> float:
    """Orders of `ACCOUNTS` accounts in `MARKETS` markets: bytes in, executed in blocks, answer bytes out."""
    coins = tuple(listing.coin for listing in LISTINGS if ":" not in listing.coin)[:MARKETS]
    markets = list_markets(coins)
    venue = build_venue(markets, Rules(), seed=1, faucet_e8=1_000_000 * E8)
    signers = [Signer(SigningKey(number.to_bytes(32, "big")), "b") for number in range(1, ACCOUNTS + 1)]
    bodies = [_order(signers[n % ACCOUNTS], markets[n // 7 % len(markets)], n) for n in range(_ACTIONS)]
    answered: list[Answer] = []
    venue.step(START_MS)
    gc.collect()
    began_s = time.process_time()
    for n, body in enumerate(bodies):
        known = None if with_signatures else signers[n % ACCOUNTS].address
        _submit(venue, body, known, answered.append)
        if n % _ACTIONS_PER_BLOCK == _ACTIONS_PER_BLOCK - 1:
            venue.step(START_MS + n)
    venue.step(START_MS + _ACTIONS)
    for answer in answered:
        msgspec.json.encode({"status": "ok", "response": answer.response if isinstance(answer, Ok) else answer.text})
    taken_s = time.process_time() - began_s
    refused = [answer for answer in answered if not isinstance(answer, Ok)]
    if len(answered) != _ACTIONS or refused:
        raise RuntimeError(f"{len(answered)} of {_ACTIONS} actions answered, {len(refused)} refused: {refused[:1]}")
    return _ACTIONS / taken_s


def _order(signer: Signer, market: Market, n: int) -> bytes:
    """A bid or an offer, a little away from the start price; every fourth one takes."""
    is_buy, takes = n % 2 == 0, n % 4 == 3
    away = -(n % 11 + 1) if is_buy != takes else n % 11 + 1
    px = market.round_px(market.start_px_e8 * (1_000 + away) // 1_000, up=is_buy)
    sz = market.floor_sz(20 * E8 * E8 // px) + market.lot_e8
    wire = OrderWire(
        a=market.asset,
        b=is_buy,
        p=format_e8(px),
        s=format_e8(sz),
        r=False,
        t=OrderType(limit=LimitTerms(tif="Gtc")),
        c=f"0x{n:032x}",
    )
    return signer.sign(OrderAction(orders=(wire,), grouping="na"), START_MS + n).body


def _submit(venue: Venue, body: bytes, known: str | None, reply: Callable[[Answer], None]) -> None:
    envelope = decode_envelope(body)
    signers = signers_of(envelope, _HOME) if known is None else (known,)
    venue.submit(SignedAction(to_engine(envelope.action), signers, envelope.nonce), reply)


@dataclass(slots=True)
class _Heard:
    committed_ns: dict[int, int] = field(default_factory=dict)
    delay_us: Reservoir = field(default_factory=Reservoir)
    messages: int = 0
    size: int = 0


async def fan_out() -> FanOut:
    """Listeners share this process and core with the venue, so their reading counts against it."""
    heard = _Heard()
    options = VenueOptions(markets=("BTC", "ETH"), market="calibrated", limits="off")

    def note(block: Block) -> None:
        heard.committed_ns[block.time_ms] = time.perf_counter_ns()

    async with running_venue(options) as running, aiohttp.ClientSession() as session:
        running.venue.on_block = note
        readers = [asyncio.create_task(_listen(session, running.ws_url, heard)) for _ in range(SUBSCRIBERS)]
        await asyncio.sleep(_SETTLE_S)
        heard.delay_us, heard.messages, heard.size = Reservoir(), 0, 0
        began_s, cpu_s = time.perf_counter(), time.process_time()
        await asyncio.sleep(LISTEN_S)
        took_s, cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_s
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
    messages = max(heard.messages, 1)
    return FanOut(messages / took_s, heard.size / took_s, cpu_s / messages * 1e6, heard.delay_us)


async def _listen(session: aiohttp.ClientSession, url: str, heard: _Heard) -> None:
    async with session.ws_connect(url) as socket:
        for kind in ("bbo", "trades", "l2Book"):
            for coin in ("BTC", "ETH"):
                await socket.send_json({"method": "subscribe", "subscription": {"type": kind, "coin": coin}})
        async for message in socket:
            data = message.data.encode()
            heard.messages += 1
            heard.size += len(data)
            if b'"channel":"bbo"' in data and (match := _TIME.search(data)):
                at_ns = heard.committed_ns.get(int(match.group(1)))
                if at_ns is not None:
                    heard.delay_us.add((time.perf_counter_ns() - at_ns) / 1_000)
