"""Which processes a run consists of and in which order they start: store and venue, then each account's services.

Each step waits for what it needs: the gateway asks order-state for nonces, so order-state must listen first, and it is
ready only after it has reconciled through the gateway; risk needs both; a quoter needs all three.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grpc import aio

from perpmaker.api.desired import Addressing, ServiceAddress, Wallet, desired_parts
from perpmaker.api.parts import QuoterPart
from perpmaker.api.v1alpha1 import MarketMaker, Network, TradingAccount
from perpmaker.api.v1alpha1.marketmaker import Mode
from perpmaker.api.v1alpha1.shared import KillSwitch
from perpmaker.common import rpc
from perpmaker.common.config import Part
from perpmaker.hyperliquid import networks
from perpmaker.local import exchange, store
from perpmaker.local.events import Note, Severity, Tell
from perpmaker.local.options import UpOptions
from perpmaker.local.places import Places
from perpmaker.local.processes import Child, ChildFailedError, ChildSpec, Condition
from perpmaker.local.readiness import grpc_health
from perpmaker.proto.orderstate.v1 import orderstate_pb2, orderstate_pb2_grpc
from perpmaker.proto.quoter.v1 import quoter_pb2, quoter_pb2_grpc
from perpmaker.proto.risk.v1 import risk_pb2, risk_pb2_grpc

START_DEADLINE_S = 60.0

_LISTENING = frozenset({Condition.LISTENING, Condition.READY})
_READY = frozenset({Condition.READY})
_CONTROL_DEADLINE_S = 10.0
_NAMESPACE = "default"


@dataclass(frozen=True, slots=True)
class AccountPlan:
    """One account and the markets made on it."""

    account: TradingAccount
    makers: tuple[MarketMaker, ...]

    @property
    def name(self) -> str:
        """Name of the account."""
        return self.account.metadata.name

    @property
    def is_simulated(self) -> bool:
        """Whether it trades on the venue of this run."""
        return self.account.spec.network is Network.SIMULATED


@dataclass(frozen=True, slots=True)
class AccountProcesses:
    """The running services of one account."""

    plan: AccountPlan
    addressing: Addressing
    order_state: Child
    gateway: Child
    risk: Child
    quoters: dict[str, Child]
    """Those started so far, by name of the MarketMaker."""
    baseline: Mapping[str, orderstate_pb2.MarketSummary]
    """Totals by market before this run placed anything."""

    @property
    def address(self) -> str:
        """The account at its exchange."""
        assert self.addressing.wallet.address is not None  # noqa: S101 - the runner makes or is given each wallet
        return self.addressing.wallet.address


class System:
    """Every process of a run."""

    def __init__(
        self,
        plans: Sequence[AccountPlan],
        options: UpOptions,
        places: Places,
        tell: Tell,
        account_up: Callable[[AccountProcesses], None],
    ) -> None:
        """`account_up` is called when an account's services are ready and its quoters are about to start."""
        self.plans = tuple(plans)
        self.children: list[Child] = []
        """In the order of their start."""
        self.accounts: list[AccountProcesses] = []
        self.venue_address: exchange.VenueAddress | None = None
        self.store: Child | None = None
        self.venue: Child | None = None
        self._options = options
        self._places = places
        self._tell = tell
        self._account_up = account_up
        self._deadline_s = 0.0
        self._sockets = 0
        self._failure: asyncio.Future[ChildFailedError] = asyncio.get_running_loop().create_future()

    async def start(self) -> None:
        """Start everything and return when every quoter is ready.

        Raises ChildFailedError, StoreUnusableError, NoWalletError, PlaceError.
        """
        self._deadline_s = time.monotonic() + START_DEADLINE_S
        for plan in self.plans:
            self._places.remember_account(plan.account)
        address, _ = await asyncio.gather(self._start_store(), self._start_venue())
        await asyncio.gather(*(self._start_account(plan, address) for plan in self.plans))

    async def first_failure(self) -> ChildFailedError:
        """Wait until the runner has given up on some child; returns why."""
        return await asyncio.shield(self._failure)

    def kill_all(self) -> None:
        """End every process at once."""
        for child in self.children:
            child.kill()

    def _gave_up(self, child: asyncio.Future[ChildFailedError]) -> None:
        if self._failure.done() or child.cancelled():
            return
        error = child.exception()
        if error is not None:
            self._failure.set_exception(error)
        else:
            self._failure.set_result(child.result())

    def _left_s(self) -> float:
        return max(0.1, self._deadline_s - time.monotonic())

    def _child(self, spec: ChildSpec) -> Child:
        child = Child(spec, self._tell)
        child.given_up.add_done_callback(self._gave_up)
        self.children.append(child)
        return child

    async def _bring_up(self, child: Child, wanted: frozenset[Condition]) -> Child:
        await child.start()
        await child.reach(wanted, self._left_s())
        return child

    async def _start_store(self) -> store.StoreAddress:
        if self._options.redis_url is not None:
            await store.check(self._options.redis_url)
            return store.StoreAddress(self._options.redis_url, separate_users=False)
        spec, address = store.embedded(
            self._places.runtime, self._places.data, self._places.log(store.NAME), [plan.name for plan in self.plans]
        )
        self.store = await self._bring_up(self._child(spec), _READY)
        return address

    async def _start_venue(self) -> None:
        accounts = sum(plan.is_simulated for plan in self.plans)
        if not accounts:
            return

        def found(address: exchange.VenueAddress) -> None:
            self.venue_address = address

        spec = exchange.venue(self._places.log(exchange.NAME), self._options.seed, accounts, found)
        self.venue = await self._bring_up(self._child(spec), _READY)

    async def _wallet(self, plan: AccountPlan, store_address: store.StoreAddress) -> tuple[str, Wallet]:
        """Address of the exchange's API and the wallet to use there."""
        if self.venue_address is not None and plan.is_simulated:
            if self.store is not None:
                forgotten = await store.forget_simulated(store_address.url, plan.name)
                if forgotten:
                    self._tell(Note(f"{plan.name}: the simulated exchange is new, records of earlier runs removed"))
            else:
                await store.refuse_foreign_records(store_address.url, plan.name)
            api = self.venue_address.api
            return api, await exchange.simulated_wallet(self._places.new_wallet(plan.name), api)
        api = networks.api_url(networks.Network(plan.account.spec.network.value)) or ""
        return api, exchange.real_wallet(plan.account, self._places)

    def _at(self) -> ServiceAddress:
        self._sockets += 1
        address = self._places.socket(self._sockets)
        return ServiceAddress(listen=address, target=address)

    def _service(self, name: str, command: str, part: Part, target: str) -> ChildSpec:
        path = self._places.write_part(name, part)
        return ChildSpec(
            name=name,
            argv=exchange.command(command, "--config", str(path)),
            log=self._places.log(name),
            probe=grpc_health(target),
        )

    async def _start_account(self, plan: AccountPlan, store_address: store.StoreAddress) -> None:
        api_url, wallet = await self._wallet(plan, store_address)
        addressing = Addressing(
            gateway=self._at(),
            order_state=self._at(),
            risk=self._at(),
            quoters={maker.metadata.name: self._at() for maker in plan.makers},
            order_state_redis_url=store_address.url_for("order-state", plan.name),
            risk_redis_url=store_address.url_for("risk", plan.name),
            api_url=api_url,
            wallet=wallet,
        )
        parts = desired_parts(plan.account, plan.makers, addressing, log_level=self._options.log_level)
        name = plan.name
        order_state = self._child(
            self._service(f"order-state/{name}", "order-state", parts.order_state, addressing.order_state.target)
        )
        gateway = self._child(self._service(f"gateway/{name}", "gateway", parts.gateway, addressing.gateway.target))
        risk = self._child(self._service(f"risk/{name}", "risk", parts.risk, addressing.risk.target))
        await self._bring_up(order_state, _LISTENING)
        await self._bring_up(gateway, _READY)
        await self._bring_up(risk, _READY)
        await order_state.reach(_READY, self._left_s())
        baseline = await _totals(order_state, addressing.order_state.target)
        await self._set_markets(plan, risk, addressing.risk.target)
        processes = AccountProcesses(plan, addressing, order_state, gateway, risk, {}, baseline)
        self.accounts.append(processes)
        self._account_up(processes)
        await asyncio.gather(*(self._start_quoter(processes, name, part) for name, part in parts.quoters.items()))

    async def _set_markets(self, plan: AccountPlan, risk: Child, target: str) -> None:
        """Make risk's persisted doors agree with what the objects say: a stop closed them, a start opens them."""
        switches = (
            (plan.account.spec.kill_switch, ""),
            *((maker.spec.kill_switch, maker.spec.market.symbol) for maker in plan.makers),
        )
        try:
            async with rpc.connect(target) as channel:
                stub = risk_pb2_grpc.RiskServiceStub(channel)
                for switch, market in switches:
                    await self._set_kill_switch(stub, switch, market or plan.name, market)
                for maker in plan.makers:
                    market = maker.spec.market.symbol
                    if maker.spec.mode is Mode.PAUSED:
                        closing = risk_pb2.CloseMarketRequest(market=market, drain_id="paused")
                        await stub.CloseMarket(closing, timeout=_CONTROL_DEADLINE_S)
                    else:
                        await stub.OpenMarket(risk_pb2.OpenMarketRequest(market=market), timeout=_CONTROL_DEADLINE_S)
        except aio.AioRpcError as error:
            raise ChildFailedError(
                risk.spec.name, "does not open the markets", error.details() or "", risk.spec.log
            ) from error

    async def _set_kill_switch(self, risk: Any, switch: KillSwitch, scope: str, market: str) -> None:
        if switch.engaged:
            trip = await risk.Trip(risk_pb2.TripRequest(market=market, reason="manual"), timeout=_CONTROL_DEADLINE_S)
            self._tell(Note(f"kill switch of {scope} is engaged (trip {trip.trip_id})", Severity.WARNING))
        elif switch.acknowledged_trip:
            acknowledgement = risk_pb2.RearmRequest(trip_id=switch.acknowledged_trip)
            try:
                answer = await risk.Rearm(acknowledgement, timeout=_CONTROL_DEADLINE_S)
            except aio.AioRpcError as error:
                self._tell(Note(f"kill switch of {scope} stays: {error.details()}", Severity.WARNING))
            else:
                if answer.released:
                    self._tell(Note(f"kill switch of {scope} released (trip {switch.acknowledged_trip})"))

    async def _start_quoter(self, processes: AccountProcesses, name: str, part: QuoterPart) -> None:
        target = processes.addressing.quoters[name].target
        child = self._child(self._service(f"quoter/{name}", "quoter", part, target))
        processes.quoters[name] = child
        try:
            await self._bring_up(child, _LISTENING if part.mode == "Paused" else _READY)
        except ChildFailedError as error:
            raise ChildFailedError(
                error.service, error.why, error.reason or await _why_not_quoting(target), error.log
            ) from error


async def _totals(order_state: Child, target: str) -> dict[str, orderstate_pb2.MarketSummary]:
    async with rpc.connect(target) as channel:
        stub = orderstate_pb2_grpc.OrdersServiceStub(channel)
        try:
            answer = await stub.GetSummary(orderstate_pb2.GetSummaryRequest(), timeout=rpc.READ_DEADLINE_S)
        except aio.AioRpcError as error:
            raise ChildFailedError(
                order_state.spec.name, "does not tell its totals", error.details() or "", order_state.spec.log
            ) from error
        return {market.market: market for market in answer.markets}


async def _why_not_quoting(target: str) -> str:
    """What a quoter says keeps it from quoting; nothing when it does not answer."""
    async with rpc.connect(target) as channel:
        stub = quoter_pb2_grpc.QuoterServiceStub(channel)
        try:
            status = await stub.GetStatus(quoter_pb2.GetStatusRequest(), timeout=rpc.HEALTH_DEADLINE_S)
        except aio.AioRpcError:
            return ""
        return ", ".join(status.reasons)


def plan_accounts(accounts: Sequence[TradingAccount], makers: Sequence[MarketMaker]) -> tuple[AccountPlan, ...]:
    """Markets by account; an account without markets starts nothing."""
    plans = (
        AccountPlan(
            account,
            tuple(
                maker
                for maker in makers
                if maker.spec.account_ref.name == account.metadata.name
                and (maker.metadata.namespace or _NAMESPACE) == (account.metadata.namespace or _NAMESPACE)
            ),
        )
        for account in accounts
    )
    return tuple(plan for plan in plans if plan.makers)
