"""The account stream of the gateway: everything that happens to our orders without our asking.

New orders are held from the moment a gap opens until it is closed *and* a safety sync begun after that has succeeded.
The stream is opened when the ledgers of the markets have begun: what happens before is part of their opening balance.
"""

from __future__ import annotations

import asyncio

from grpc import aio

from perpmaker.common import logs, rpc
from perpmaker.order_state import ingest, wire
from perpmaker.order_state.core.audit import is_ours
from perpmaker.order_state.markets import Markets
from perpmaker.order_state.store.redis_store import Store, StoreDownError
from perpmaker.order_state.sync import GAP_CLOSED, Syncer
from perpmaker.order_state.truth import HELD_GAP
from perpmaker.order_state.writer import Writer
from perpmaker.proto.common.v1 import common_pb2
from perpmaker.proto.gateway.v1 import gateway_pb2, gateway_pb2_grpc

_log = logs.get(__name__)


class AccountLink:
    """Follows the account stream."""

    def __init__(
        self,
        channel: aio.Channel,
        writer: Writer,
        store: Store,
        markets: Markets,
        syncer: Syncer,
        *,
        grace_ms: int,
        orphan_grace_ms: int,
    ) -> None:
        self._stub = gateway_pb2_grpc.AccountServiceStub(channel)
        self._writer = writer
        self._store = store
        self._markets = markets
        self._syncer = syncer
        self._grace_ms = grace_ms
        self._orphan_grace_ms = orphan_grace_ms
        self._gap_is_open = True
        self._lookups: set[asyncio.Task[None]] = set()

    @property
    def gap_is_open(self) -> bool:
        """Whether the stream has a hole now."""
        return self._gap_is_open

    async def run(self) -> None:
        """Follow the stream until cancelled."""
        await self._markets.gateway_answered.wait()
        await rpc.follow("gateway.account", self._open, self.receive, on_lost=self._lost)

    def _open(self) -> rpc.ReadableCall[gateway_pb2.AccountServiceSubscribeResponse]:
        since_ms = self._writer.truth.ledger.watermark_ms
        return self._stub.Subscribe(gateway_pb2.AccountServiceSubscribeRequest(fills_since_ms=since_ms))

    def _lost(self, reason: str) -> None:
        _log.warning("account.lost", reason=reason)
        self._open_gap()

    def _open_gap(self) -> None:
        self._gap_is_open = True
        self._writer.hold(HELD_GAP, True)

    def receive(self, message: gateway_pb2.AccountServiceSubscribeResponse) -> None:
        """Take one message; must not wait."""
        market = message.trace.market
        post = self._writer.post
        match message.WhichOneof("event"):
            case "gap_opened":
                self._open_gap()
            case "gap_closed":
                since_ms = message.gap_closed.account_since_ms
                post(lambda batch: ingest.exchange_began(batch, since_ms))
                self._gap_is_open = False
                self._syncer.request(GAP_CLOSED)
            case "order_update":
                post(lambda batch: ingest.order_update(batch, market, message.order_update))
            case "fill":
                self._fill(message.fill)
            case "open_orders":
                snapshot = wire.snapshot(message.open_orders)
                grace_ms, orphan_grace_ms = self._grace_ms, self._orphan_grace_ms
                post(
                    lambda batch: ingest.open_orders(
                        batch, snapshot, grace_ms=grace_ms, orphan_grace_ms=orphan_grace_ms
                    )
                )
            case "account":
                post(lambda batch: ingest.account_state(batch, message.account))
            case "funding":
                entry = wire.funding_entry(market, message.funding)
                post(lambda batch: batch.enter(entry))
            case "non_user_cancel":
                post(lambda batch: ingest.non_user_cancel(batch, message.non_user_cancel.oid))
            case _:
                # Margin, limits and transfers are risk's business.
                pass

    def _fill(self, fill: common_pb2.Fill) -> None:
        entry = wire.fill_entry(fill)
        truth = self._writer.truth
        if is_ours(entry.cloid, truth.tags) and truth.find(entry.cloid) is None and truth.ledger.counts(entry):
            # Its order may be over for so long that only the store remembers it.
            task = asyncio.create_task(self._late_fill(fill))
            self._lookups.add(task)
            task.add_done_callback(self._lookups.discard)
        else:
            self._writer.post(lambda batch: batch.enter(entry))

    async def _late_fill(self, fill: common_pb2.Fill) -> None:
        entry = wire.fill_entry(fill)
        try:
            entry = wire.matched(entry, await self._store.find(entry.cloid) is not None)
        except StoreDownError:
            _log.warning("fill.not_looked_up", cloid=entry.cloid, tid=entry.tid)
        self._writer.post(lambda batch: batch.enter(entry))
