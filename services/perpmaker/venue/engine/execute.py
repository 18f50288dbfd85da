"""What an admitted action does, and what the exchange answers to it.

Items of a batch are judged one by one, each seeing the effects of those before it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, assert_never

from perpmaker.venue.engine import action_texts, leverage, texts
from perpmaker.venue.engine.account_actions import AccountAction
from perpmaker.venue.engine.account_execute import execute_for_account
from perpmaker.venue.engine.accounts import Account
from perpmaker.venue.engine.actions import (
    Action,
    CancelOrders,
    Modification,
    ModifyOrders,
    Noop,
    PlaceOrders,
    ScheduleCancel,
    StartTwap,
    StopTwap,
    UpdateLeverage,
)
from perpmaker.venue.engine.agents import Agents
from perpmaker.venue.engine.answers import DEFAULT, Answer, Err, Ok
from perpmaker.venue.engine.families import place_group, settle_families
from perpmaker.venue.engine.orders import NewOrder, Order, Status, Tif
from perpmaker.venue.engine.placing import Executed, Held, Outcome, Refused, Resting, place
from perpmaker.venue.engine.resting import cancel_all, drop
from perpmaker.venue.engine.state import State
from perpmaker.venue.engine.static_checks import static_error, unknown_asset
from perpmaker.venue.engine.twaps import start_twap, stop_twap
from perpmaker.venue.units import E8, canonical_e8, shown_e8

__all__ = ["Answer", "Err", "Ok", "execute", "fire_scheduled_cancels"]

_DAY_MS = 86_400_000
_MIN_SCHEDULE_AHEAD_MS = 5_000
_SCHEDULED_PER_DAY = 10


def execute(state: State, agents: Agents, account: Account, action: Action) -> Answer:
    """Run one admitted action for an account."""
    if isinstance(action, AccountAction):
        return execute_for_account(state, agents, account, action)
    match action:
        case PlaceOrders():
            return _place_all(state, account, action)
        case CancelOrders(targets, fast):
            return _statuses("cancel", [_cancel(state, account, *target, fast=fast) for target in targets])
        case ModifyOrders():
            return _modify_all(state, account, action)
        case ScheduleCancel(time_ms):
            return _schedule_cancel(state, account, time_ms)
        case UpdateLeverage():
            return _update_leverage(state, account, action)
        case Noop():
            return DEFAULT
        case StartTwap():
            return _start_twap(state, account, action)
        case StopTwap(asset, twap_id):
            refusal = stop_twap(state, account, asset, twap_id)
            return Ok({"type": "twapCancel", "data": {"status": {"error": refusal} if refusal else "success"}})
        case _:
            assert_never(action)


def _statuses(kind: str, statuses: list[Any]) -> Ok:
    return Ok({"type": kind, "data": {"statuses": statuses}})


def _place_all(state: State, account: Account, action: PlaceOrders) -> Answer:
    orders = action.orders
    if not orders:
        return _statuses("order", [{"error": texts.ORDERS_EMPTY}])
    if text := unknown_asset(state, (order.asset for order in orders)):
        return Err(text)
    if text := static_error(state, orders, action.grouping):
        return _statuses("order", [{"error": text}])
    outcomes = place_group(state, account, orders, action.grouping)
    return _statuses("order", [_status_of(state, outcome) for outcome in outcomes])


def _status_of(state: State, outcome: Outcome) -> dict[str, Any] | str:
    match outcome:
        case Refused(text):
            return {"error": text}
        case Resting(order):
            return {"resting": _ids(order)}
        case Held(order):
            return order.wait.value
        case Executed(order, total, average):
            unit = 10 ** (8 - state.market(order.asset).px_decimals)
            shown = {"totalSz": canonical_e8(total), "avgPx": shown_e8(average // unit * unit)}
            return {"filled": shown | _ids(order)}
        case _:
            assert_never(outcome)


def _ids(order: Order) -> dict[str, Any]:
    return {"oid": order.oid} if order.cloid is None else {"oid": order.oid, "cloid": order.cloid}


def _open_order(account: Account, asset: int, target: int | str) -> Order | None:
    """An order that still rests, by oid or cloid; a wrong asset for a right id is no match."""
    if isinstance(target, int):
        order = account.open_orders.get(target)
    else:
        order = next((o for o in reversed(account.open_orders.values()) if o.cloid == target), None)
    return order if order is not None and order.asset == asset else None


def _cancel(state: State, account: Account, asset: int, target: int | str, *, fast: bool) -> Any:
    order = _open_order(account, asset, target)
    if order is None:
        return {"error": f"{texts.GONE} asset={asset}"}
    if fast and order.is_waiting and not state.rules.orders.fast_cancels_triggers:
        return {"error": f"{texts.FAST_TRIGGER} asset={asset}"}
    drop(state, order, Status.CANCELED)
    settle_families(state)
    return "success"


def _modify_all(state: State, account: Account, action: ModifyOrders) -> Answer:
    orders = [item.order for item in action.items]
    if text := unknown_asset(state, (order.asset for order in orders)):
        return Err(text)
    if not orders:
        return _statuses("order", [{"error": texts.ORDERS_EMPTY}])
    text = static_error(state, orders) or (None if action.always_place else _taking_replacement(orders))
    if text:
        return Err(text) if action.is_single else _statuses("order", [{"error": text}])
    statuses = [_modify(state, account, item, always_place=action.always_place) for item in action.items]
    if not action.is_single:
        return _statuses("order", statuses)
    first = statuses[0]
    return Err(first["error"]) if isinstance(first, dict) and "error" in first else DEFAULT


def _taking_replacement(orders: list[NewOrder]) -> str | None:
    if all(order.tif.may_rest and order.trigger is None for order in orders):
        return None
    return texts.NEEDS_RESTING


def _modify(state: State, account: Account, item: Modification, *, always_place: bool) -> dict[str, Any] | str:
    """Cancel, then place. When the placement fails the old order is gone all the same."""
    old = _open_order(account, item.order.asset, item.target)
    if old is None and not always_place:
        return {"error": texts.NOT_MODIFIABLE}
    if old is not None:
        drop(state, old, Status.CANCELED)
        settle_families(state)
    # Without always_place the exchange turns a GTC replacement into post-only.
    wanted = item.order if always_place else replace(item.order, tif=Tif.ALO)
    outcome = place(state, account, wanted)
    settle_families(state)
    if isinstance(outcome, Refused):
        return {"error": f"{texts.MODIFY_FAILED}{outcome.text}"}
    return _status_of(state, outcome)


def _start_twap(state: State, account: Account, action: StartTwap) -> Answer:
    if text := unknown_asset(state, (action.asset,)):
        return Err(text)
    twap = start_twap(state, account, action)
    status = {"error": twap} if isinstance(twap, str) else {"running": {"twapId": twap.twap_id}}
    return Ok({"type": "twapOrder", "data": {"status": status}})


def _schedule_cancel(state: State, account: Account, time_ms: int | None) -> Answer:
    required = state.rules.schedule_cancel_volume_e8
    if account.volume_e8 < required:
        traded = canonical_e8(account.volume_e8)
        return Err(action_texts.SCHEDULE_NEEDS_VOLUME.format(required=required // E8, traded=traded))
    if time_ms is None:
        account.cancel_at_ms = None
        return DEFAULT
    if time_ms < state.now_ms + _MIN_SCHEDULE_AHEAD_MS:
        return Err(action_texts.SCHEDULE_TOO_SOON)
    if _fired_today(state, account) >= _SCHEDULED_PER_DAY:
        return Err(action_texts.SCHEDULE_SPENT)
    account.cancel_at_ms = time_ms
    return DEFAULT


def _fired_today(state: State, account: Account) -> int:
    today = state.now_ms // _DAY_MS
    if account.cancel_fired_day != today:
        account.cancel_fired_day, account.cancel_fired_today = today, 0
    return account.cancel_fired_today


def fire_scheduled_cancels(state: State) -> None:
    """Cancel everything of each account whose dead man's switch has run out. It fires once."""
    for account in state.accounts.values():
        if account.cancel_at_ms is None or state.now_ms < account.cancel_at_ms:
            continue
        account.cancel_at_ms = None
        account.cancel_fired_today = _fired_today(state, account) + 1
        cancel_all(state, account, Status.SCHEDULED_CANCEL)
        settle_families(state)


def _update_leverage(state: State, account: Account, action: UpdateLeverage) -> Answer:
    if text := unknown_asset(state, (action.asset,)):
        return Err(text)
    market = state.market(action.asset)
    refusal = leverage.update_leverage(state, account, market, action.leverage, is_cross=action.is_cross)
    return DEFAULT if refusal is None else Err(refusal)
