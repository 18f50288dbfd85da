"""How a gateway starts: clock, signer, instruments, highest recorded nonce, leverage, budget; then all that goes on.

An exchange or an order-state that does not answer is waited for; what only a person can mend raises StartError.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any, Final

from grpc import aio

from perpmaker.common import logs, rpc
from perpmaker.common.service import StartError
from perpmaker.gateway import preflight, sign_up
from perpmaker.gateway.connections.socket import Socket, SocketOwner, SocketSettings
from perpmaker.gateway.gap_keeper import keep_closed
from perpmaker.gateway.life.composition import Composition
from perpmaker.gateway.life.upkeep import Upkeep
from perpmaker.gateway.nonces import MAX_LEAD_MS, Nonces
from perpmaker.hyperliquid.networks import ws_url
from perpmaker.proto.orderstate.v1 import orderstate_pb2, orderstate_pb2_grpc

_CLOCK_SAMPLES: Final = 3
_ORDER_STATE_PAUSE_S: Final = 0.2

_log = logs.get(__name__)

Spawn = Callable[[Coroutine[Any, Any, None], str], object]
"""Runs work under a name for the life of the service."""


async def start_up(parts: Composition, upkeep: Upkeep) -> None:
    """Bring a gateway to where it serves its markets. Raises StartError."""
    for _ in range(_CLOCK_SAMPLES):
        await preflight.patiently(upkeep.sample_clock)
    if parts.membership is not None:
        await sign_up.sign_up(parts.identity, parts.rest, parts.clock)
        parts.membership.signed_up()
        parts.account_hub.account_since_ms = await sign_up.known_since_ms(parts.identity, parts.rest)
    await parts.signer.confirm()
    await preflight.patiently(parts.signer.read_validity)
    rules, delisted = await preflight.load_instruments(parts.part.markets, parts.reads)
    desk = parts.signer.desk
    desk.nonces = Nonces(parts.clock, await _highest_nonce(parts))
    if desk.nonces.lead_ms() > MAX_LEAD_MS:
        raise StartError(
            "the highest nonce used is over a day ahead of this clock; correct the clock or change the API wallet"
        )
    for leverage in parts.part.leverage:
        if leverage.market in rules:
            await preflight.set_leverage(leverage, rules[leverage.market], desk, parts.rest, parts.reads)
    await preflight.patiently(upkeep.read_limits)
    # Last: until now every plan was refused for an unknown market.
    parts.markets.serve(tuple(rules), rules | delisted)
    parts.listings.tell()
    await parts.market_stream.follow(rules)


def spawn_all(parts: Composition, upkeep: Upkeep, spawn: Spawn) -> None:
    """Set everything going that lasts as long as the gateway, but for readiness and the dead man's switch."""
    part = parts.part
    settings = SocketSettings(ws_url(part.api_url), part.ping_interval_s, part.idle_timeout_s)
    owners: dict[str, SocketOwner] = {
        "market_data": parts.market_stream,
        "account": parts.account_stream,
        "order_entry": parts.entry,
    }
    for name, owner in owners.items():
        spawn(Socket(name, settings, owner, parts.budgets, parts.clock, random.Random()).run(), name)
    gaps = keep_closed(parts.account_hub, parts.account_stream, parts.account_changed, parts.reads, parts.clock)
    spawn(gaps, "gaps")
    spawn(parts.listings.run(), "listings")
    spawn(upkeep.keep_time(), "clock")
    spawn(upkeep.keep_limits(), "limits")
    spawn(upkeep.keep_validity(), "signer-validity")
    spawn(upkeep.keep_standing(), "signer-standing")
    if parts.key_watch is not None:
        spawn(parts.key_watch.run(), "key")
    if parts.membership is not None:
        spawn(parts.membership.run(), "membership")


async def _highest_nonce(parts: Composition) -> int:
    channel = rpc.connect(parts.part.order_state_target, parts.part.endpoint.tls)
    stub = orderstate_pb2_grpc.OrdersServiceStub(channel)
    try:
        while True:
            try:
                request = orderstate_pb2.GetHighestNonceRequest()
                answer = await stub.GetHighestNonce(request, timeout=rpc.PLACE_DEADLINE_S)
            except aio.AioRpcError as error:
                _log.info("nonces.waiting_for_order_state", code=error.code().name)
                await asyncio.sleep(_ORDER_STATE_PAUSE_S)
            else:
                return int(answer.nonce)
    finally:
        await channel.close()
