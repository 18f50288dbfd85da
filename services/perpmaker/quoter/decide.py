"""One decision cycle: from what is seen to the next plan. Pure, so any cycle can be replayed from its inputs.

Guarantees: equal state, view and settings give an equal decision; every trade and fill handed in is used
once; new orders come only when the gate is open; they are throttled, except on a side that has targets and
not a single live order; cancels are never throttled, only not repeated within a second for the same order.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from perpmaker.hyperliquid.rules import InstrumentRules
from perpmaker.quoter.book import prices_to_stay_clear_of, touch_of_others
from perpmaker.quoter.burst import Burst, observe_fills
from perpmaker.quoter.flatten import Holding, next_step
from perpmaker.quoter.gate import Gate, Standing, Verdict, judge
from perpmaker.quoter.ladder import EMPTY, Ladder, build_ladder
from perpmaker.quoter.limits import CLOSED, Limits, side_limits
from perpmaker.quoter.model.fair_price import FairPrice, fair_price
from perpmaker.quoter.model.intensity import Intensity, observe_trades
from perpmaker.quoter.model.quote import Quote, quote
from perpmaker.quoter.model.spread import NotQuotableError
from perpmaker.quoter.model.volatility import Volatility, observe_mid
from perpmaker.quoter.plan import NOTHING, Plan, Reason
from perpmaker.quoter.planner import Room, cancel_all, plan_ladder, restrain, tolerance_bps, within_count
from perpmaker.quoter.settings import Mode, Settings
from perpmaker.quoter.values import SIDES, BookView, LiveOrder, OwnFill, PublicTrade, Side

CANCEL_REPEAT_NS = 1_000_000_000
EMPTY_SIDE_INTERVAL_NS = 100_000_000
"""Shortest time between placements on an empty side: a refused one must not be tried with every book."""


@dataclass(frozen=True, slots=True)
class View:
    """Everything a cycle sees."""

    standing: Standing
    position_e8: int
    orders: tuple[LiveOrder, ...]
    trades: tuple[PublicTrade, ...] = ()
    """Public trades since the last cycle."""
    fills: tuple[OwnFill, ...] = ()
    """Own executions since the last cycle."""
    mark_px_e8: int = 0
    """Newest mark; 0 while none was heard."""
    possible_buys_e8: int = 0
    """What orders may still execute, announced executions without trade ids included."""
    possible_sells_e8: int = 0
    refused_replaces: frozenset[str] = frozenset()
    """Orders whose replacement order-state refused for exposure."""


@dataclass(frozen=True, slots=True)
class State:
    """What one cycle hands to the next."""

    volatility: Volatility = field(default_factory=Volatility)
    intensity: Intensity = field(default_factory=Intensity)
    burst: Burst = field(default_factory=Burst)
    touch_e8: tuple[int, int] | None = None
    """Best bid and ask of the last cycle that had both, ours included: what takers found."""
    last_new_orders_ns: int = -(10**18)
    cancels_sent: tuple[tuple[str, int], ...] = ()
    """Client ids whose cancel was sent within the last second, and when."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a cycle wants."""

    gate: Gate
    plan: Plan
    ladder: Ladder = EMPTY
    quote: Quote | None = None
    diagnostics: tuple[str, ...] = ()
    """Why there is no quote, or what the ladder left out."""
    flat: bool = False
    """Mode Flatten: nothing is left that an order could close."""


def _observe(state: State, view: View, settings: Settings, price: FairPrice | None) -> State:
    now_ns = view.standing.now_ns
    volatility = state.volatility
    if price is not None:
        volatility = observe_mid(volatility, price.mid, now_ns)
    return State(
        volatility=volatility,
        intensity=observe_trades(
            state.intensity,
            (trade.px_e8 for trade in view.trades),
            state.touch_e8,
            now_ns,
            window_s=settings.calibration_window_s,
        ),
        burst=observe_fills(state.burst, view.fills) if view.fills else state.burst,
        touch_e8=view.standing.book.touch_e8 if view.standing.book is not None else state.touch_e8,
        last_new_orders_ns=state.last_new_orders_ns,
        cancels_sent=tuple(sent for sent in state.cancels_sent if now_ns - sent[1] < CANCEL_REPEAT_NS),
    )


def _limits(view: View, settings: Settings, fair: float) -> Limits:
    permission = view.standing.permission
    return CLOSED if permission is None else side_limits(view.position_e8, permission, settings, fair)


def _ladder(
    state: State,
    view: View,
    settings: Settings,
    rules: InstrumentRules,
    book: BookView,
    found: Quote,
    limits: Limits,
) -> Ladder:
    bid_e8, ask_e8 = prices_to_stay_clear_of(book, view.orders)
    ladder = build_ladder(found, settings, rules, limits, best_foreign_bid_e8=bid_e8, best_foreign_ask_e8=ask_e8)
    paused = tuple(side for side in SIDES if state.burst.is_paused(side, view.standing.now_ns, view.position_e8))
    if paused:
        ladder = Ladder(
            tuple(level for level in ladder.levels if level.side not in paused),
            (*ladder.diagnostics, *(f"burst_{side.name.lower()}" for side in paused)),
        )
    return ladder


def _next_plan(
    state: State,
    view: View,
    settings: Settings,
    rules: InstrumentRules,
    gate: Gate,
    ladder: Ladder,
    found: Quote,
    limits: Limits,
) -> Plan:
    if view.standing.permission is None:
        # Orders of an earlier session wait for the first permission; the gate pulls them when it does not come.
        return NOTHING
    tick_bps = rules.tick_e8(int(found.fair)) / found.fair * 1e4 * 1.01
    plan = plan_ladder(
        ladder.levels,
        view.orders,
        tolerance=tolerance_bps(settings.requote_tolerance_bps, found.half_spread.total_bps, tick_bps),
        room=Room(limits.buy.capacity_e8, limits.sell.capacity_e8),
        not_replaceable=view.refused_replaces,
    )
    plan = within_count(plan, len(view.orders), settings.max_open_orders)
    if gate.verdict is Verdict.HOLD:
        return restrain(plan, Reason.HELD, fair=found.fair)
    since_ns = view.standing.now_ns - state.last_new_orders_ns
    if plan.adds and since_ns < settings.min_requote_interval_ns:
        busy = {order.side for order in view.orders}
        empty = frozenset(SIDES) - busy if since_ns >= EMPTY_SIDE_INTERVAL_NS else frozenset[Side]()
        return restrain(plan, Reason.THROTTLED, fair=found.fair, may_fill=empty)
    return plan


def _remember(state: State, plan: Plan, now_ns: int) -> tuple[State, Plan]:
    """Drop cancels sent moments ago and note what is sent now."""
    recent = {cloid for cloid, _ in state.cancels_sent}
    fresh = tuple(cancel for cancel in plan.cancels if cancel.order.cloid not in recent)
    if len(fresh) != len(plan.cancels):
        plan = replace(plan, cancels=fresh)
    if plan.is_empty:
        return state, plan
    return (
        replace(
            state,
            last_new_orders_ns=now_ns if plan.adds else state.last_new_orders_ns,
            cancels_sent=(*state.cancels_sent, *((cancel.order.cloid, now_ns) for cancel in fresh)),
        ),
        plan,
    )


def _flatten(
    state: State, view: View, settings: Settings, rules: InstrumentRules, gate: Gate
) -> tuple[State, Decision]:
    """A cycle of mode Flatten."""
    now_ns = view.standing.now_ns
    holding = Holding(view.position_e8, view.possible_buys_e8, view.possible_sells_e8, view.orders)
    step = next_step(
        holding,
        view.mark_px_e8,
        view.standing.book,
        rules,
        settings.flatten_max_slippage_bps,
        since_attempt_ns=now_ns - state.last_new_orders_ns,
    )
    plan = step.plan
    if gate.verdict is Verdict.SILENT:
        plan = NOTHING
    elif gate.verdict is not Verdict.QUOTE:
        plan = replace(plan, places=())
    # What is not known cannot be flat.
    flat = step.flat and view.standing.orders_known
    state, plan = _remember(state, plan, now_ns)
    return state, Decision(gate, plan, diagnostics=(step.word,) if step.word else (), flat=flat)


def decide(state: State, view: View, settings: Settings, rules: InstrumentRules) -> tuple[State, Decision]:
    """One cycle. The returned state assumes that the plan is sent."""
    standing = view.standing
    book = standing.book
    price = "no_book" if book is None else fair_price(*touch_of_others(book, view.orders))
    known_price = price if isinstance(price, FairPrice) else None
    state = _observe(state, view, settings, known_price)
    gate = judge(standing, settings)
    if settings.mode is Mode.FLATTEN:
        return _flatten(state, view, settings, rules, gate)

    found: Quote | None = None
    limits = CLOSED
    ladder = EMPTY
    diagnostics: tuple[str, ...] = ()
    if isinstance(price, FairPrice) and book is not None:
        try:
            found = quote(
                settings,
                price,
                state.volatility,
                state.intensity,
                position_e8=view.position_e8,
                spread_factor_ppm=standing.permission.spread_factor_ppm if standing.permission else 1_000_000,
            )
            limits = _limits(view, settings, found.fair)
            ladder = _ladder(state, view, settings, rules, book, found, limits)
            diagnostics = ladder.diagnostics
        except NotQuotableError as error:
            found = None
            diagnostics = (f"not_quotable_{error.name.replace(' ', '_')}",)
    elif not isinstance(price, FairPrice):
        diagnostics = (price,)

    if gate.verdict is Verdict.SILENT:
        return state, Decision(gate, NOTHING, ladder, found, diagnostics)
    if gate.verdict is Verdict.PULL or (found is None and book is not None):
        plan = cancel_all(view.orders, Reason.PULL)
    elif found is None:
        plan = NOTHING
    else:
        plan = _next_plan(state, view, settings, rules, gate, ladder, found, limits)
    state, plan = _remember(state, plan, standing.now_ns)
    return state, Decision(gate, plan, ladder, found, diagnostics)
