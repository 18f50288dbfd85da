"""Keeps the newest answers of every service that runs, and wakes the objects that an answer changes something for.

Reading never waits: reconcilers look at what was heard last. Whoever is followed is asked every few seconds, more often
while it is changing; who has no pod is not asked at all. Risk's stream only says when to ask again, so that a trip is
seen at once without anybody asking all the time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from perpmaker.common import logs, rpc
from perpmaker.common.clock import Clock, SystemClock
from perpmaker.operator.interfaces import Ref, Waker
from perpmaker.operator.observe import reads
from perpmaker.operator.observe.channels import Channels
from perpmaker.operator.observe.news import (
    account_news,
    market_news,
    quoter_news,
)
from perpmaker.operator.observe.values import (
    NO_POD,
    NOT_YET,
    ONE_SIDED_GRACE_S,
    AccountView,
    GatewayAnswer,
    GatewayFacts,
    QuoterAnswer,
    QuoterFacts,
    Unreachable,
    Why,
)
from perpmaker.proto.risk.v1 import risk_pb2, risk_pb2_grpc

POLL_S: Final = 5.0
FIRST_POLL_S: Final = 0.5
_CALMING: Final = 1.5
"""Each quiet answer makes the next pause this many times longer."""

_log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class AccountTargets:
    """Where an account's services are; None for one that has no running pod."""

    gateway: str | None = None
    order_state: str | None = None
    risk: str | None = None

    @property
    def is_silent(self) -> bool:
        """Whether there is nobody to ask."""
        return self.gateway is None and self.order_state is None and self.risk is None


@dataclass(slots=True)
class _Followed:
    """Somebody who is asked again and again."""

    poll: Callable[[], Awaitable[bool]]
    """Asks once; whether something changed."""
    nudged: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    async def run(self, most_s: float) -> None:
        pause_s = FIRST_POLL_S
        while True:
            self.nudged.clear()
            changed = await self.poll()
            pause_s = FIRST_POLL_S if changed else min(most_s, pause_s * _CALMING)
            try:
                async with asyncio.timeout(pause_s):
                    await self.nudged.wait()
                pause_s = FIRST_POLL_S
            except TimeoutError:
                pass


@dataclass(slots=True)
class _Account:
    targets: AccountTargets
    makers: Mapping[str, Ref]
    view: AccountView
    followed: _Followed
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)
    stream: asyncio.Task[None] | None = None


@dataclass(slots=True)
class _Quoter:
    target: str
    answer: QuoterAnswer
    followed: _Followed
    two_sided_at_s: float | None = None
    was_two_sided: bool = False

    def two_sided_age_s(self, now_s: float) -> float | None:
        """Time since it was last seen with orders on both sides; None when it never was."""
        return None if self.two_sided_at_s is None else now_s - self.two_sided_at_s


class Observer:
    """Follows services for reconcilers."""

    def __init__(self, channels: Channels, waker: Waker, *, clock: Clock | None = None, poll_s: float = POLL_S) -> None:
        self._channels = channels
        self._waker = waker
        self._clock = clock or SystemClock()
        self._poll_s = poll_s
        self._accounts: dict[Ref, _Account] = {}
        self._quoters: dict[Ref, _Quoter] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def account(self, account: Ref) -> AccountView:
        """What the services of an account said last."""
        known = self._accounts.get(account)
        return known.view if known is not None else AccountView()

    def quoter(self, maker: Ref) -> QuoterAnswer:
        """What a quoter said last."""
        known = self._quoters.get(maker)
        if known is None:
            return NO_POD
        if isinstance(known.answer, QuoterFacts):
            return replace(known.answer, two_sided_age_s=known.two_sided_age_s(self._clock.monotonic_s()))
        return known.answer

    def follow_account(self, account: Ref, targets: AccountTargets, makers: Mapping[str, Ref]) -> None:
        """Ask these services from now on; `makers` (by market) are woken by what concerns their market."""
        known = self._accounts.get(account)
        if known is not None and known.targets == targets:
            known.makers = makers
            return
        view = known.view if known is not None else AccountView()
        if known is not None:
            self._end(known.followed.task, known.stream)
            self._drop_targets(known.targets, targets)
            del self._accounts[account]
        if targets.is_silent:
            return
        view = AccountView(
            gateway=_keep(view.gateway, targets.gateway),
            order_state=_keep(view.order_state, targets.order_state),
            risk=_keep(view.risk, targets.risk),
            instruments=view.instruments,
        )
        entry = _Account(targets, makers, view, _Followed(lambda: self._ask_account(account)))
        self._accounts[account] = entry
        entry.followed.task = self._spawn(entry.followed.run(self._poll_s), f"follow {account.name}")
        if targets.risk is not None:
            entry.stream = self._spawn(self._listen(account, targets.risk), f"permissions of {account.name}")

    def follow_quoter(self, maker: Ref, target: str | None) -> None:
        """Ask this quoter from now on; None when its pod does not run."""
        known = self._quoters.get(maker)
        if known is not None:
            if known.target == target:
                return
            self._end(known.followed.task)
            self._close(known.target)
            del self._quoters[maker]
        if target is None:
            return
        entry = _Quoter(target, NOT_YET, _Followed(lambda: self._ask_quoter(maker)))
        self._quoters[maker] = entry
        entry.followed.task = self._spawn(entry.followed.run(self._poll_s), f"follow quoter {maker.name}")

    def forget(self, ref: Ref) -> None:
        """The object is gone: ask nobody for it any more."""
        if ref in self._accounts:
            self.follow_account(ref, AccountTargets(), {})
        self.follow_quoter(ref, None)

    async def refresh_account(self, account: Ref) -> AccountView:
        """Ask the services of an account now."""
        if account in self._accounts:
            await self._ask_account(account, wake_account=False)
        return self.account(account)

    async def refresh_quoter(self, maker: Ref) -> QuoterAnswer:
        """Ask a quoter now."""
        if maker in self._quoters:
            await self._ask_quoter(maker, wake=False)
        return self.quoter(maker)

    async def close(self) -> None:
        """Stop asking and close every channel."""
        for ref in (*self._accounts, *self._quoters):
            self.forget(ref)
        await asyncio.gather(*self._closing, return_exceptions=True)
        await self._channels.close()

    async def _ask_account(self, account: Ref, *, wake_account: bool = True) -> bool:
        entry = self._accounts.get(account)
        if entry is None:
            return False
        async with entry.asking:
            before, targets = entry.view, entry.targets
            gateway, order_state, risk = await asyncio.gather(
                self._ask(targets.gateway, reads.read_gateway),
                self._ask(targets.order_state, reads.read_order_state),
                self._ask(targets.risk, reads.read_risk),
            )
            instruments = before.instruments
            if _instruments_are_due(before, gateway) and targets.gateway is not None:
                told = await self._ask(targets.gateway, reads.read_instruments)
                instruments = instruments if isinstance(told, Unreachable) else told
            after = AccountView(gateway, order_state, risk, instruments)
            if self._accounts.get(account) is not entry:
                return False
            entry.view = after
        changed = account_news(before) != account_news(after)
        if changed and wake_account:
            self._waker.wake(account, "services")
        for market, maker in entry.makers.items():
            if market_news(before, market) != market_news(after, market):
                changed = True
                self._waker.wake(maker, "risk")
        return changed

    async def _ask_quoter(self, maker: Ref, *, wake: bool = True) -> bool:
        entry = self._quoters.get(maker)
        if entry is None:
            return False
        answer = await self._ask(entry.target, lambda channel: reads.read_quoter(channel, self._clock))
        if self._quoters.get(maker) is not entry:
            return False
        before = quoter_news(entry.answer), entry.was_two_sided
        now_s = self._clock.monotonic_s()
        if isinstance(answer, QuoterFacts) and answer.is_two_sided:
            entry.two_sided_at_s = now_s
        entry.answer = answer
        age_s = entry.two_sided_age_s(now_s)
        entry.was_two_sided = age_s is not None and age_s <= ONE_SIDED_GRACE_S
        changed = before != (quoter_news(answer), entry.was_two_sided)
        if changed and wake:
            self._waker.wake(maker, "quoter")
        return changed

    async def _ask(self, target: str | None, read: Callable[[Any], Awaitable[Any]]) -> Any:
        if target is None:
            return NO_POD
        try:
            return await read(self._channels.get(target))
        except OSError as error:
            return Unreachable(Why.FAILED, f"the operator's certificate cannot be read: {error.strerror}")

    async def _listen(self, account: Ref, target: str) -> None:
        """Ask at once when a permission changes in kind."""
        seen: dict[str, tuple[object, ...]] = {}

        def heard(message: risk_pb2.WatchPermissionsResponse) -> None:
            permission = message.permission
            news = (permission.killed, permission.closed, permission.reduce_only, permission.trip_id)
            if seen.get(message.trace.market) != news:
                seen[message.trace.market] = news
                entry = self._accounts.get(account)
                if entry is not None:
                    entry.followed.nudged.set()

        def open_call() -> rpc.ReadableCall[risk_pb2.WatchPermissionsResponse]:
            stub = risk_pb2_grpc.RiskServiceStub(self._channels.get(target))
            call: rpc.ReadableCall[risk_pb2.WatchPermissionsResponse] = stub.WatchPermissions(
                risk_pb2.WatchPermissionsRequest(), wait_for_ready=True
            )
            return call

        while True:
            try:
                await rpc.follow(f"permissions of {account.namespace}/{account.name}", open_call, heard)
            except OSError as error:
                _log.warning("observer.no_certificate", reason=error.strerror)
                await asyncio.sleep(self._poll_s)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(_tell_failure)
        return task

    def _end(self, *tasks: asyncio.Task[None] | None) -> None:
        for task in tasks:
            if task is not None:
                task.cancel()
                self._closing.add(task)
                task.add_done_callback(self._closing.discard)

    def _drop_targets(self, old: AccountTargets, new: AccountTargets) -> None:
        for before, after in (
            (old.gateway, new.gateway),
            (old.order_state, new.order_state),
            (old.risk, new.risk),
        ):
            if before is not None and before != after:
                self._close(before)

    def _close(self, target: str) -> None:
        task = self._spawn(self._channels.drop(target), f"close {target}")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def _tell_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("observer.task_failed", task=task.get_name(), exc_info=error)


def _keep(answer: Any, target: str | None) -> Any:
    if target is None:
        return NO_POD
    return NOT_YET if isinstance(answer, Unreachable) else answer


def _instruments_are_due(before: AccountView, gateway: GatewayAnswer) -> bool:
    if not isinstance(gateway, GatewayFacts):
        return False
    if not before.instruments or not isinstance(before.gateway, GatewayFacts):
        return True
    return before.gateway.applied_revision != gateway.applied_revision or before.gateway.is_ready != gateway.is_ready
