"""What the simulated exchange carries on one core: simulated time, and actions with and without signatures.

Figures are of CPU time, so that neighbours on the machine disturb them little.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import uvloop
from tests.bench import fan_out
from tests.bench.recorded import BLOCK_MS, START_MS
from tests.bench.report import Budget, Figure, Rounds, duration

from perpmaker.common.decimals import format_e8
from perpmaker.common.metrics import Reservoir
from perpmaker.gateway.key import SigningKey
from perpmaker.gateway.signing import Signer
from perpmaker.hyperliquid.wire import LimitTerms, OrderAction, OrderType, OrderWire
from perpmaker.venue.admission import SignedAction
from perpmaker.venue.core import Venue, build_venue
from perpmaker.venue.engine.execute import Answer, Ok
from perpmaker.venue.engine.listings import LISTINGS
from perpmaker.venue.engine.markets import Market, list_markets
from perpmaker.venue.engine.state import Rules
from perpmaker.venue.flow.participants import HouseParticipants
from perpmaker.venue.units import E8
from perpmaker.venue.wire.decode import decode_envelope, to_engine
from perpmaker.venue.wire.signatures import SOURCES, signers_of

_SIMULATED_S: Final = 1_000
_MARKETS: Final = 20
_ACCOUNTS: Final = 50
_ACTIONS_PER_BLOCK: Final = 140
_ACTIONS: Final = 40 * _ACTIONS_PER_BLOCK
_HOME: Final = SOURCES["testnet"]


def figures() -> Sequence[Figure]:
    """Time, actions, listeners."""
    return [
        *_simulated_time(),
        _actions("without signatures", 2_000, with_signatures=False),
        _actions("with signatures", 300, with_signatures=True),
        *uvloop.run(fan_out.figures()),
    ]


def _simulated_time() -> Sequence[Figure]:
    """One calibrated BTC market, nobody listening."""
    markets = list_markets(("BTC",))
    venue = build_venue(markets, Rules(), seed=1, faucet_e8=0, participants=HouseParticipants(markets, 1, "calibrated"))
    blocks = Rounds()
    gc.collect()
    began_s = time.process_time()
    for block in range(_SIMULATED_S * 1_000 // BLOCK_MS):
        begun = time.perf_counter_ns()
        venue.step(START_MS + BLOCK_MS * block)
        blocks.add((time.perf_counter_ns() - begun) / 1_000)
    taken_s = time.process_time() - began_s
    return [
        Figure(f"{_SIMULATED_S:,} simulated s of one busy market", "CPU s", taken_s, budget=Budget(20)),
        duration("  one block of it", blocks),
    ]


def _actions(kind: str, least: float, *, with_signatures: bool) -> Figure:
    """Orders of many accounts in many markets: bytes in, executed in blocks, answer bytes out."""
    coins = tuple(listing.coin for listing in LISTINGS if ":" not in listing.coin)[:_MARKETS]
    markets = list_markets(coins)
    venue = build_venue(markets, Rules(), seed=1, faucet_e8=1_000_000 * E8)
    signers = [Signer(SigningKey(number.to_bytes(32, "big")), "b") for number in range(1, _ACCOUNTS + 1)]
    bodies = [_order(signers[n % _ACCOUNTS], markets[n // 7 % len(markets)], n) for n in range(_ACTIONS)]
    rates, answered = Reservoir(), 0
    venue.step(START_MS)
    gc.collect()
    began_s = time.process_time()
    for first in range(0, _ACTIONS, _ACTIONS_PER_BLOCK):
        block_began_s = time.process_time()
        answers: list[Answer] = []
        for n in range(first, first + _ACTIONS_PER_BLOCK):
            known = None if with_signatures else signers[n % _ACCOUNTS].address
            _submit(venue, bodies[n], known, answers.append)
        venue.step(START_MS + first + _ACTIONS_PER_BLOCK)
        answered += sum(map(_encoded_ok, answers))
        rates.add(_ACTIONS_PER_BLOCK / (time.process_time() - block_began_s))
    rate = _ACTIONS / (time.process_time() - began_s)
    if answered != _ACTIONS:
        raise RuntimeError(f"{answered} of {_ACTIONS} actions accepted")
    return Figure(
        f"{_ACCOUNTS} accounts in {_MARKETS} markets, {kind}",
        "actions/CPU s",
        rate,
        rates.quantiles((0.01,))[0],
        sum(map(len, bodies)) / len(bodies),
        _ACTIONS,
        Budget(least, is_least=True),
    )


def _encoded_ok(answer: Answer) -> bool:
    response = answer.response if isinstance(answer, Ok) else answer.text
    msgspec.json.encode({"status": "ok", "response": response})
    return isinstance(answer, Ok)


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
