"""Actions that left are followed until each outcome is told; what their refusals say beyond their orders is kept."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterable, Sequence

from perpmaker.common import logs
from perpmaker.gateway.budget import EXPIRED_COST, Budgets
from perpmaker.gateway.connections.dispatch import Dispatch
from perpmaker.gateway.desk import SigningDesk
from perpmaker.gateway.exchange_clock import ExchangeClock
from perpmaker.gateway.orders.underway import Action, Plan
from perpmaker.gateway.outcomes import unknown
from perpmaker.hyperliquid.rejections import is_nonce_window, request_figures
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb

_log = logs.get(__name__)


class Following:
    """Everything that left and whose outcome is not told yet."""

    def __init__(
        self,
        dispatch: Dispatch,
        desk: SigningDesk,
        budgets: Budgets,
        exchange_clock: ExchangeClock,
        keep_apart: Callable[[Iterable[str]], None],
    ) -> None:
        """`keep_apart` has markets share no action for a while."""
        self._dispatch = dispatch
        self._desk = desk
        self._budgets = budgets
        self._exchange_clock = exchange_clock
        self._keep_apart = keep_apart
        self._resolving: dict[asyncio.Task[None], Callable[[], None]] = {}

    @property
    def is_idle(self) -> bool:
        """Whether the outcome of everything that left is told."""
        return not self._resolving

    def give_up(self) -> None:
        """Tell the outcome of everything still open as unknown, and follow it no longer."""
        for task, tell_unknown in tuple(self._resolving.items()):
            task.cancel()
            tell_unknown()
        self._resolving.clear()

    def follow(self, plans: Sequence[Plan], actions: Sequence[Action]) -> None:
        """Have the outcomes of these actions told to these plans, each of which is done after its last one."""
        open_actions = dict.fromkeys(actions)

        def tell(action: Action, outcomes: list[pb.Outcome]) -> None:
            self._learn(action, outcomes)
            action.tell(outcomes)
            if action in open_actions:
                del open_actions[action]
                for plan in action.plans:
                    plan.action_told()

        def tell_unknown() -> None:
            for action in tuple(open_actions):
                tell(action, unknown(action.departure.names, "shutdown"))

        async def resolve() -> None:
            await asyncio.gather(
                *(self._dispatch.resolve(action.departure, functools.partial(tell, action)) for action in actions)
            )

        for plan in plans:
            if not plan.actions_open:
                plan.report.done()
        if not actions:
            return
        task = asyncio.create_task(resolve(), name=f"plan-{plans[0].request.request_id}")
        self._resolving[task] = tell_unknown
        task.add_done_callback(self._finished)

    def _learn(self, action: Action, outcomes: Sequence[pb.Outcome]) -> None:
        """What refusals say beyond their orders: of clock and key, of expiry's cost, of a market that harms others."""
        refused = [outcome.rejected for outcome in outcomes if outcome.HasField("rejected")]
        for text in {rejected.text for rejected in refused}:
            self._desk.refused(text)
            figures = request_figures(text)
            if figures is not None and not action.planned.is_cancel:  # whose limit is another
                used, cap = figures
                self._budgets.address.observe(cap, used)
        if any(is_nonce_window(rejected.text) for rejected in refused):
            self._exchange_clock.doubt()
        expired = sum(getattr(rejected, "class") == pb.REJECTION_CLASS_EXPIRED for rejected in refused)
        self._budgets.address.spend(expired * (EXPIRED_COST - 1))
        if len(action.plans) > 1 and len(refused) == len(outcomes) and len({item.text for item in refused}) == 1:
            markets = [plan.market for plan in action.plans]
            _log.warning("broker.kept_apart", markets=markets, text=refused[0].text)
            self._keep_apart(markets)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._resolving.pop(task, None)
        if not task.cancelled() and task.exception() is not None:
            _log.error("plan.failed", exc_info=task.exception())
