"""The live view of a terminal: markets with their own ladder, services, and what happened last. Made for 100 x 30."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence

from rich.align import Align
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from perpmaker.common.decimals import format_e8, mul_e8
from perpmaker.local.events import Event, Filled, Severity, Started, sentence, severity
from perpmaker.local.lines import summary_sentences
from perpmaker.local.processes import Condition
from perpmaker.local.summary import Summary, number
from perpmaker.local.world import MarketView, OwnOrder, ServiceView, Snapshot

_LEVELS_SHOWN = 3
_EVENTS_SHOWN = 8
_REFRESHES_PER_S = 4

_CONDITION_STYLE = {
    Condition.READY: "green",
    Condition.LISTENING: "yellow",
    Condition.STARTING: "yellow",
    Condition.RESTARTING: "bold red",
    Condition.FAILED: "bold red",
    Condition.WAITING: "dim",
    Condition.STOPPING: "dim",
    Condition.STOPPED: "dim",
}
_SEVERITY_STYLE = {Severity.INFO: "", Severity.WARNING: "yellow", Severity.ERROR: "bold red"}


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes:02d}:{rest:02d}"


def _signed(value_e8: int) -> Text:
    amount = number(value_e8)
    return Text(f"{amount:+,.2f}", style="green" if amount > 0 else "red" if amount < 0 else "")


def _price(px_e8: int) -> str:
    return f"{number(px_e8):,.8g}" if px_e8 < 10**11 else f"{number(px_e8):,.1f}"


def _times(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _side(orders: Sequence[OwnOrder], *, buys: bool) -> list[OwnOrder]:
    """Resting orders of one side, best first."""
    side = [order for order in orders if order.is_resting and order.is_buy is buys]
    return sorted(side, key=lambda order: order.px_e8, reverse=buys)


def _ladder(market: MarketView) -> RenderableType:
    asks = _side(market.orders, buys=False)
    bids = _side(market.orders, buys=True)
    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(justify="right", ratio=3)
    table.add_column(justify="center", ratio=4)
    table.add_column(justify="left", ratio=3)
    for order in reversed(asks[:_LEVELS_SHOWN]):
        table.add_row("", Text(_price(order.px_e8), style="red"), format_e8(order.remaining_e8))
    for _ in range(_LEVELS_SHOWN - len(asks)):
        table.add_row("", Text("·", style="dim"), "")
    table.add_row(
        Text("bids", style="dim green"),
        Text(_price(market.mid_px_e8) if market.mid_px_e8 else "no price yet", style="bold"),
        Text("asks", style="dim red"),
    )
    for order in bids[:_LEVELS_SHOWN]:
        table.add_row(format_e8(order.remaining_e8), Text(_price(order.px_e8), style="green"), "")
    for _ in range(_LEVELS_SHOWN - len(bids)):
        table.add_row("", Text("·", style="dim"), "")
    return table


def _facts(market: MarketView) -> RenderableType:
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(style="dim")
    table.add_column(justify="right")
    table.add_column(style="dim")
    table.add_column(justify="right")
    value_e8 = mul_e8(market.position_e8, market.mid_px_e8)
    unknown = sum(order.is_unknown for order in market.orders)
    orders = Text(str(len(market.resting)))
    if unknown:
        orders.append(f" +{unknown} unknown", style="bold red")
    quoted = "-" if market.two_sided_ratio is None else f"{market.two_sided_ratio:.1%}"
    table.add_row("position", f"{format_e8(market.position_e8)}", " P&L", _signed(market.pnl_quote_e8))
    table.add_row("value", f"{number(value_e8):,.0f}", " fills", str(market.fills))
    table.add_row("half-spread", f"{market.half_spread_bps:.1f} bps", " quoted", quoted)
    table.add_row("orders", orders, "", "")
    return table


def _market_panel(market: MarketView) -> Panel:
    if market.restrictions:
        state = Text(", ".join(market.restrictions), style="yellow", overflow="ellipsis", no_wrap=True)
    else:
        state = Text("quoting", style="green")
    return Panel(
        Group(_facts(market), Text(""), _ladder(market)),
        title=Text.assemble((market.market, "bold"), (f"  {market.maker}", "dim")),
        subtitle=state,
        border_style="blue",
        height=6 + 2 * _LEVELS_SHOWN + 2,
    )


def _services_panel(services: Sequence[ServiceView]) -> Panel:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    for service in services:
        table.add_row(
            service.name,
            Text(str(service.condition), style=_CONDITION_STYLE[service.condition]),
            Text(_times(service.restarts, "restart"), style="yellow") if service.restarts else "",
            "" if service.rss_mb is None else Text(f"{service.rss_mb:.0f} MB", style="dim"),
        )
    return Panel(Align.left(table), title="services", border_style="blue", height=_EVENTS_SHOWN + 2)


def _events_panel(lines: Sequence[Text]) -> Panel:
    shown = list(lines)[-_EVENTS_SHOWN:]
    return Panel(Group(*shown), title="events", border_style="blue", height=_EVENTS_SHOWN + 2)


def render(snapshot: Snapshot, lines: Sequence[Text], *, width: int) -> RenderableType:
    """The whole view of a moment; `lines` are the events so far, oldest first."""
    since = "starting" if snapshot.quoting_s is None else f"quoting for {_clock(snapshot.quoting_s)}"
    total_e8 = sum(market.pnl_quote_e8 for market in snapshot.markets)
    header = Text.assemble(
        ("perpmaker", "bold"), f"  {since}   P&L ", _signed(total_e8), ("   Ctrl-C stops in order", "dim")
    )
    across = max(1, min(len(snapshot.markets) or 1, width // 46))
    panels = [_market_panel(market) for market in snapshot.markets]
    markets = Columns(panels, width=width // across - 1, expand=True, padding=(0, 1))
    below = Table.grid(expand=True)
    below.add_column(ratio=11)
    below.add_column(ratio=12)
    below.add_row(_services_panel(snapshot.services), _events_panel(lines))
    return Group(header, markets, below)


def event_line(event: Event, elapsed_s: float) -> Text:
    """One line of the events panel."""
    text = Text.assemble((f"{_clock(elapsed_s)} ", "dim"), (sentence(event), _SEVERITY_STYLE[severity(event)]))
    text.no_wrap = True
    text.overflow = "ellipsis"
    return text


class LiveView:
    """Draws the view a few times a second and leaves the last picture and the summary on the screen."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False)
        self._began_s = time.monotonic()
        self._lines: deque[Text] = deque(maxlen=100)
        self._drawn_s = 0.0
        self._live.start()

    def tell(self, event: Event) -> None:
        """See Reporter."""
        if isinstance(event, Started):
            return
        line = event_line(event, time.monotonic() - self._began_s)
        self._lines.append(line)
        if not isinstance(event, Filled) and severity(event) is not Severity.INFO:
            # Trouble must outlive the few lines of the panel.
            self._live.console.print(line)

    def show(self, snapshot: Snapshot) -> None:
        """See Reporter."""
        now_s = time.monotonic()
        if now_s - self._drawn_s < 1 / _REFRESHES_PER_S:
            return
        self._drawn_s = now_s
        self._live.update(render(snapshot, tuple(self._lines), width=self._console.width), refresh=True)

    def finish(self, summary: Summary) -> None:
        """See Reporter."""
        self._live.stop()
        for line in summary_sentences(summary):
            self._console.print(line, highlight=False, markup=False)

    def fail(self, reason: str) -> None:
        """See Reporter."""
        self._live.stop()
        self._console.print(f"failed: {reason}", style="bold red", markup=False)
