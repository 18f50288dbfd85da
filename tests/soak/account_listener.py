"""One subscriber of the account hub: what it heard goes to the ledger and to the orders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from tests.soak.findings import Findings
from tests.soak.ledger import Ledger

from perpmaker.gateway.account_hub import AccountHub
from perpmaker.proto.common.v1 import common_pb2 as common
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb

_READ_MS: Final = 500
"""How long what closes a gap takes to be read."""


class AccountListener:
    """Listens from its making on; `listen` takes what came."""

    def __init__(
        self,
        hub: AccountHub,
        ledger: Ledger,
        findings: Findings,
        on_event: Callable[[pb.AccountServiceSubscribeResponse], None],
        clock_doubt_ms: Callable[[], int],
    ) -> None:
        """`clock_doubt_ms` tells how much too early the time of a snapshot is told: it is a bound, never too late."""
        self._clock_doubt_ms = clock_doubt_ms
        self._ledger = ledger
        self._findings = findings
        self._on_event = on_event
        self._fills: set[tuple[str, int, int, int]] = set()
        self._subscriber = hub.subscribe(0)
        self.position_e8: Counter[str] = Counter()
        """Sum of the fills of each market, each fill once."""
        self.newest_account = pb.AccountState()

    @property
    def is_in_gap(self) -> bool:
        return self._subscriber.in_gap

    async def listen(self) -> None:
        """Take events until cancelled."""
        while True:
            await self._subscriber.wake.wait()
            for event in self._subscriber.drain():
                self._take(event)
                self._on_event(event)

    def _take(self, event: pb.AccountServiceSubscribeResponse) -> None:
        kind = event.WhichOneof("event")
        self._findings.count(f"account {kind}")
        match kind:
            case "gap_opened":
                self._findings.count(f"gap {event.gap_opened.reason}")
                self._ledger.open_hole()
            case "gap_closed":
                read_ms = event.gap_closed.snapshot_time_ms + self._clock_doubt_ms() + _READ_MS
                self._ledger.close_holes(min(read_ms, self._ledger.now_ms()))
            case "order_update":
                told = event.order_update
                key = (told.oid, told.status, told.status_time_ms)
                self._ledger.heard("orderUpdates", key, told.status_time_ms)
            case "funding":
                paid_ms = event.funding.exchange_time_ms
                self._ledger.heard("userFundings", (event.trace.market, paid_ms), paid_ms)
            case "fill":
                self._take_fill(event.fill)
            case "account":
                self.newest_account = event.account

    def _take_fill(self, fill: common.Fill) -> None:
        self._ledger.heard("userFills", (fill.market, fill.tid, fill.oid, fill.sz_e8), fill.exchange_time_ms)
        self._add(fill)

    def take_read(self, fills: Sequence[common.Fill]) -> None:
        """Fills that were read besides: some may have been kept from the stream's wire."""
        self._findings.count("fills by audit alone", sum(map(self._add, fills)))

    def _add(self, fill: common.Fill) -> bool:
        key = (fill.market, fill.tid, fill.oid, fill.exchange_time_ms)
        if key in self._fills:
            return False
        self._fills.add(key)
        self.position_e8[fill.market] += fill.sz_e8 if fill.side == common.SIDE_BUY else -fill.sz_e8
        return True
