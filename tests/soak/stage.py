"""The parts of one soak around a running gateway, and how it ends: in the same state on both sides."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from random import Random
from typing import Any, Final

from tests.soak.account_listener import AccountListener
from tests.soak.findings import Findings
from tests.soak.ledger import Ledger
from tests.soak.market_listener import MarketListener
from tests.soak.orders import Orders
from tests.soak.owner import Owner
from tests.soak.trader import Trader
from tests.soak.witness import Witness
from tests.support.gateway import TestGateway
from tests.support.waiting import until

from perpmaker.common.clock import Clock
from perpmaker.gateway.connections.rest import ReadError
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb
from perpmaker.venue.engine.accounts import Account

_PRESENT_EVERY_S: Final = 1.0
_LOOK_EVERY_S: Final = 5.0
_SETTLES_WITHIN_S: Final = 180.0


class Stage:
    """Listeners, trader and judges of one gateway."""

    def __init__(
        self,
        gateway: TestGateway,
        owner: Owner,
        witness: Witness,
        findings: Findings,
        clock: Clock,
        markets: tuple[str, ...],
        seed: int,
    ) -> None:
        parts = gateway.service.parts
        self._gateway = gateway
        self._witness = witness
        self._findings = findings
        self._clock = clock
        self._markets = markets
        self._owner = owner
        account_ledger = Ledger(findings, clock.now_ms, partial(witness.may_be_lost, unreadable_too=False))
        unseen = partial(witness.may_be_lost, unreadable_too=True)
        market_ledgers = {market: Ledger(findings, clock.now_ms, unseen) for market in markets}
        self._ledgers = (account_ledger, *market_ledgers.values())

        def tell(channel: str, key: tuple[object, ...], time_ms: int) -> None:
            ledger = market_ledgers[str(key[0])] if channel == "trades" else account_ledger
            ledger.committed(channel, key, time_ms)

        witness.address, witness.tell = self._owner.address, tell
        self.orders = Orders(findings, clock.now_ms, lambda cloid: self._account.find(cloid))
        self.account = AccountListener(
            parts.account_hub,
            account_ledger,
            findings,
            self.orders.event,
            lambda: clock.now_ms() - parts.exchange_clock.at_least_ms(),
        )
        self.market = MarketListener(parts.market_hub, markets, market_ledgers, witness, findings)
        found = {market: parts.markets.rules_of(market) for market in markets}
        self.trader = Trader(
            execution=parts.execution,
            resolver=parts.resolver,
            reads=parts.reads,
            orders=self.orders,
            view=self.market,
            rules={market: rules for market, rules in found.items() if rules is not None},
            account=self.account,
            findings=findings,
            rng=Random(f"{seed}/trader"),
        )

    @property
    def _account(self) -> Account:
        return self._witness.venue.state.accounts[self._owner.address]

    @asynccontextmanager
    async def playing(self) -> AsyncIterator[None]:
        """Listen, trade and judge while the block lasts. A part that fails ends it."""
        parts: list[Coroutine[Any, Any, None]] = [
            self.account.listen(),
            self.market.listen(),
            self.trader.audit(),
            self._attend(),
            self._owner.rotate(),
            self._judge(),
            *(self.trader.quote(market) for market in self._markets),
        ]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(part) for part in parts]
            yield
            for task in tasks:
                task.cancel()

    async def come_to_rest(self) -> None:
        """Take every order away, and hold what the gateway says against what the exchange is."""
        service, account = self._gateway.service, self._account

        async def is_whole() -> bool:
            return service.status().ready and not self.account.is_in_gap

        async def is_empty() -> bool:
            return not self.orders.alive() and service.parts.execution.is_idle

        async def is_agreed() -> bool:
            return not await self._differences()

        await self._expect("the gateway is ready again", is_whole)
        await self._expect("what the gateway says of live orders agrees with the exchange", is_agreed)
        self.trader.is_quoting = False
        await self._expect("every order has a proven end", is_empty)
        await self._expect("what the gateway says of the end agrees with the exchange", is_agreed)
        if account.open_orders:
            self._findings.violate("both sides agree at the end", f"{len(account.open_orders)} orders are open")
        self.orders.compare()

    async def _expect(self, what: str, probe: Any) -> None:
        async def patiently() -> bool:
            await asyncio.sleep(_LOOK_EVERY_S)
            return bool(await probe())

        try:
            await until(what, patiently, within_s=_SETTLES_WITHIN_S, ignoring=ReadError)
        except AssertionError:
            alive = [(o.place.cloid, o.known, o.evidence) for o in self.orders.alive()]
            status = self._gateway.service.status().reason
            found = await self._differences()
            self._findings.violate("both sides agree at the end", f"{what}: {found} {status} alive: {alive}")

    async def _differences(self) -> list[str]:
        """In what the gateway's reads, its streams and its listeners' sums differ from the exchange now."""
        reads = self._gateway.service.parts.reads
        state, account = self._witness.venue.state, self._account
        true_orders = {o.oid: o.sz_e8 for o in account.open_orders.values()}
        read = {o.oid: o.remaining_e8 for o in (await reads.open_orders()).orders}
        differences = []
        if read != true_orders and read != {o.oid: o.sz_e8 for o in account.open_orders.values()}:
            differences.append(f"open orders read {read}, are {true_orders}")
        true = {m: p.szi_e8 for m in self._markets if (p := account.positions.get(_asset(state, m))) and p.szi_e8}
        told = {
            "fills": dict(self.account.position_e8),
            "stream": _positions(self.account.newest_account),
            "read": _positions(await reads.account()),
        }
        now = {m: p.szi_e8 for m in self._markets if (p := account.positions.get(_asset(state, m))) and p.szi_e8}
        for source, positions in told.items():
            held = {market: sz_e8 for market, sz_e8 in positions.items() if sz_e8}
            if held not in (true, now):
                differences.append(f"positions by {source} are {held}, and truly {now}")
        for market in self._markets:
            newest = self._witness.tops[market]
            if self.market.tops.get(market) not in [top for _, top in newest][-3:]:
                differences.append(f"best prices of {market} are not of these moments")
        return differences

    async def _attend(self) -> None:
        """Be the order-state that a dead man's switch looks for."""
        with self._gateway.service.parts.attendance.caller() as caller:
            while True:
                caller.seen()
                await asyncio.sleep(_PRESENT_EVERY_S)

    def _compare_switch(self, told_ms: int) -> None:
        """The dead man's switch is set at the exchange for the time told, or for a later one whose answer is due."""
        set_ms = self._account.cancel_at_ms
        self._findings.count("switch armed" if told_ms else "switch not armed")
        if told_ms and (set_ms is None or set_ms < told_ms):
            self._findings.violate("the dead man's switch is set as told", f"for {told_ms}, but truly for {set_ms}")

    async def _judge(self) -> None:
        while True:
            await asyncio.sleep(1)
            for ledger in self._ledgers:
                ledger.settle()
            self.orders.compare()
            status = self._gateway.service.status()
            self._findings.count(f"signer {status.signer_address}")
            self._compare_switch(status.dead_man_deadline_ms)


def _asset(state: Any, market: str) -> int:
    return int(state.market_of(market).asset)


def _positions(account: pb.AccountState) -> dict[str, int]:
    return {position.market: position.sz_e8 for position in account.positions}
