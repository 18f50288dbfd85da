"""Whether a gateway is ready, and everything it tells of itself.

Ready means: account snapshot complete, market data subscribed, order-entry socket open, clock within bounds, and
a key that the exchange takes.
"""

from __future__ import annotations

import asyncio
import math

from perpmaker.common.service import Runtime
from perpmaker.gateway.life.composition import Composition
from perpmaker.gateway.orders.fencing import MAX_CLOCK_OFFSET_MS
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb


class Condition:
    """The state of a gateway's parts, as one answer."""

    def __init__(self, parts: Composition) -> None:
        self._parts = parts

    @property
    def not_ready_because(self) -> str:
        """Why the gateway may not take part in trading; empty when it may."""
        parts = self._parts
        if not parts.markets.is_loaded:
            return "starting"
        if abs(parts.exchange_clock.offset_ms) >= MAX_CLOCK_OFFSET_MS:
            return f"clock is {parts.exchange_clock.offset_ms} ms off the exchange's"
        if parts.signer.refusal:
            return f"the exchange refuses the signer: {parts.signer.refusal}"
        if not parts.entry.is_connected:
            return "order entry is not connected"
        if not parts.account_stream.is_complete:
            return "account snapshot is not complete"
        if not parts.market_stream.is_complete:
            return "market data is not subscribed"
        return ""

    @property
    def _key_refusal(self) -> str:
        watch = self._parts.key_watch
        return (watch.refusal if watch is not None else "") or self._parts.signer.refusal

    async def keep_readiness(self, runtime: Runtime) -> None:
        """Say after every change whether the gateway is ready, until cancelled."""
        changed, entry_changed = self._parts.changed, self._parts.entry.changed
        while True:
            changed.clear()
            reason = self.not_ready_because
            await runtime.set_ready(not reason, reason)
            waits = [asyncio.create_task(event.wait()) for event in (entry_changed, changed)]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
            entry_changed.clear()

    def status(self) -> pb.GetStatusResponse:
        """Condition of the gateway."""
        parts, reason = self._parts, self.not_ready_because
        budgets, now_s = parts.budgets, parts.clock.monotonic_s()
        status = pb.GetStatusResponse(
            ready=not reason,
            reason=reason,
            signer_address=parts.signer.address,
            account_address=parts.identity.address,
            network=parts.part.network.value,
            exchange_connected=parts.account_stream.is_complete and parts.market_stream.is_complete,
            signer_valid_until_ms=parts.signer.valid_until_ms,
            signer_confirmed=parts.signer.is_confirmed,
            key_refusal=self._key_refusal,
            rate_limit_used_ppm=round(budgets.share_used(now_s) * 1_000_000),
            address_budget_left=budgets.address.left,
            ip_weight_used=budgets.ip_weight_used(now_s),
            dead_man_deadline_ms=parts.switch.deadline_ms,
            dead_man_refusal=parts.switch.refusal,
            clock_offset_ms=parts.exchange_clock.offset_ms,
            highest_nonce=parts.signer.desk.nonces.highest,
            dead_man_firings_left=parts.switch.firings_left,
            applied_revision=parts.configuration.revision,
            actions_left=budgets.address.left,
            actions_left_millihours=_millihours(budgets.address.hours_left),
        )
        parts.measurements.fill_in(status)
        return status


def _millihours(hours: float) -> int:
    return round(hours * 1000) if math.isfinite(hours) else 0
