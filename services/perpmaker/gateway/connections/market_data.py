"""The market data socket: frames to the hub, and a verdict per market on whether its feed is live.

A frame that is older than its predecessor, crossed or unreadable is dropped and counted, and does not count as life: a
market whose good frames stop is not live, and a socket without any is dead.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from perpmaker.common import logs
from perpmaker.common.clock import Clock
from perpmaker.gateway import metrics
from perpmaker.gateway.connections.socket import Link, LossReason, SocketDownError
from perpmaker.gateway.connections.subscriptions import (
    CONFIRMATION,
    Pending,
    Subscription,
    subscribe_frame,
    unsubscribe_frame,
)
from perpmaker.gateway.decode import envelope_wire, market_wire
from perpmaker.gateway.decode import market as decode
from perpmaker.gateway.malformed import COMPLAINTS, UNREADABLE
from perpmaker.gateway.market_hub import Kind, MarketHub
from perpmaker.proto.common.v1 import common_pb2 as common
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb

_TRADES_REMEMBERED = 1_000
MAX_AHEAD_MS = 60_000
"""How far ahead of the exchange's clock a frame's time may be."""

_log = logs.get(__name__)


class _Feed:
    """What is remembered of one market."""

    def __init__(self, asked_s: float) -> None:
        self.asked_s = asked_s
        """When its subscriptions were asked for last."""
        self.last_good_s: float | None = None
        self.is_live = False
        self.tick_e8 = 0
        """Price step at the newest best bid; 0 before any."""
        self.newest_ms: dict[Kind, int] = {}
        self.seen_trades: set[tuple[int, int]] = set()
        self.seen_order: deque[tuple[int, int]] = deque()

    def is_new_trade(self, key: tuple[int, int]) -> bool:
        """Whether a trade was not seen before: the exchange repeats recent ones after a subscription."""
        if key in self.seen_trades:
            return False
        self.seen_trades.add(key)
        self.seen_order.append(key)
        if len(self.seen_order) > _TRADES_REMEMBERED:
            self.seen_trades.discard(self.seen_order.popleft())
        return True


class MarketDataStream:
    """Owner of the market data socket."""

    def __init__(
        self,
        markets: Iterable[str],
        own_address: str,
        hub: MarketHub,
        clock: Clock,
        feed_timeout_s: float,
        on_changed: Callable[[], None],
        exchange_now_ms: Callable[[], int] | None = None,
        tick_e8: Callable[[str, int], int] | None = None,
    ) -> None:
        """`on_changed` is called when the subscriptions are confirmed or lost; frames far ahead of `exchange_now_ms`
        are dropped; `tick_e8` tells the price step of a market at a price, 0 when it is not known.
        """
        self._tick_e8 = tick_e8
        self._exchange_now_ms = exchange_now_ms
        self._own_address = own_address.lower()
        self._hub = hub
        self._clock = clock
        self._timeout_s = feed_timeout_s
        self._on_changed = on_changed
        self._feeds = {market: _Feed(0.0) for market in markets}
        self._link: Link | None = None
        self._pending: Pending | None = None
        self._readers: dict[str, Callable[[bytes, int], None]] = {
            "bbo": self._bbo,
            "l2Book": self._book,
            "trades": self._trades,
            "activeAssetCtx": self._context,
            "subscriptionResponse": self._confirmed,
            "error": self._error,
        }
        for market in self._feeds:
            self._tell(market, live=False, reason="starting")

    @property
    def is_complete(self) -> bool:
        """Whether every subscription with which the connection began is confirmed."""
        return self._pending is not None and self._pending.is_empty

    async def opened(self, link: Link) -> None:
        """See SocketOwner."""
        now_s = self._clock.monotonic_s()
        wanted = [subscription for market in self._feeds for subscription in _subscriptions(market)]
        for feed in self._feeds.values():
            feed.asked_s = now_s
        self._link = link
        self._pending = Pending(wanted, now_s)
        if self.is_complete:
            self._on_changed()
        for subscription in wanted:
            await link.send(subscribe_frame(subscription))

    async def follow(self, markets: Iterable[str]) -> None:
        """Follow these markets from now on and no others; the other feeds go on over the same connection."""
        wanted = tuple(markets)
        frames_due = [
            unsubscribe_frame(subscription)
            for market in [market for market in self._feeds if market not in wanted]
            for subscription in self._drop(market)
        ]
        frames_due += [
            subscribe_frame(subscription)
            for market in [market for market in wanted if market not in self._feeds]
            for subscription in self._add(market)
        ]
        if self._link is None:
            return
        try:
            for frame in frames_due:
                await self._link.send(frame)
        except SocketDownError:
            pass  # the next connection begins with the markets of that time

    def _add(self, market: str) -> list[Subscription]:
        now_s = self._clock.monotonic_s()
        self._feeds[market] = _Feed(now_s)
        self._tell(market, live=False, reason="starting")
        wanted = _subscriptions(market)
        if self._pending is not None:
            self._pending.add(wanted, now_s)
        return wanted

    def _drop(self, market: str) -> list[Subscription]:
        self._tell(market, live=False, reason="removed")
        self._hub.forget(market)
        del self._feeds[market]
        unwanted = _subscriptions(market)
        if self._pending is not None:
            self._pending.drop(unwanted)
        return unwanted

    def received(self, frame: bytes, receive_ns: int) -> None:
        """See SocketOwner."""
        try:
            envelope = envelope_wire.FRAME.decode(frame)
            reader = self._readers.get(envelope.channel)
            if reader is not None:
                reader(bytes(envelope.data), receive_ns)
        except UNREADABLE as error:
            COMPLAINTS.unreadable("market_data", frame, error)

    def lost(self, reason: LossReason) -> None:
        """See SocketOwner."""
        self._link = self._pending = None
        for market, feed in self._feeds.items():
            feed.last_good_s = None
            feed.newest_ms.clear()
            if feed.is_live:
                self._tell(market, live=False, reason=reason)
        self._on_changed()

    def verdict(self) -> LossReason | None:
        """See SocketOwner: also where silent markets are told to be not live."""
        now_s = self._clock.monotonic_s()
        if self._pending is not None and self._pending.is_overdue(now_s):
            return "subscribe_failed"
        silent = 0
        for market, feed in self._feeds.items():
            if now_s - (feed.last_good_s or feed.asked_s) > self._timeout_s:
                silent += 1
                if feed.is_live:
                    self._tell(market, live=False, reason="silent")
        return "silent" if silent and silent == len(self._feeds) else None

    def _tell(self, market: str, *, live: bool, reason: str) -> None:
        self._feeds[market].is_live = live
        self._hub.publish(
            "feed",
            pb.MarketDataServiceSubscribeResponse(
                trace=common.Trace(market=market, receive_time_ns=self._clock.monotonic_ns()),
                feed=pb.FeedStatus(live=live, reason=reason),
            ),
        )

    def _accept(self, market: str, kind: Kind, exchange_ms: int, receive_ns: int) -> common.Trace | None:
        feed = self._feeds.get(market)
        if feed is None:
            return None
        if exchange_ms < feed.newest_ms.get(kind, 0):
            COMPLAINTS.add("market_data", "time_regression", b"", f"{market} {kind} {exchange_ms}")
            return None
        if self._exchange_now_ms is not None and exchange_ms > self._exchange_now_ms() + MAX_AHEAD_MS:
            # Taken for news, it would make every true frame after it look old.
            COMPLAINTS.add("market_data", "time_ahead", b"", f"{market} {kind} {exchange_ms}")
            return None
        feed.newest_ms[kind] = exchange_ms
        return common.Trace(market=market, exchange_time_ms=exchange_ms, receive_time_ns=receive_ns)

    def _alive(self, market: str, receive_ns: int) -> None:
        feed = self._feeds[market]
        feed.last_good_s = receive_ns / 1e9
        if not feed.is_live:
            self._tell(market, live=True, reason="")

    def _bbo(self, data: bytes, receive_ns: int) -> None:
        wire = market_wire.BBO.decode(data)
        bbo = decode.bbo_message(wire)
        trace = self._accept(wire.coin, "bbo", wire.time, receive_ns)
        if trace is None:
            return
        if decode.is_crossed_bbo(bbo):
            metrics.CROSSED_BOOKS.labels(wire.coin).inc()
            return
        self._hub.publish("bbo", pb.MarketDataServiceSubscribeResponse(trace=trace, bbo=bbo))
        self._alive(wire.coin, receive_ns)
        if bbo.HasField("bid"):
            self._watch_tick(wire.coin, bbo.bid.px_e8, trace)

    def _watch_tick(self, market: str, px_e8: int, seen: common.Trace) -> None:
        feed = self._feeds[market]
        tick_e8 = self._tick_e8(market, px_e8) if self._tick_e8 is not None else 0
        if not tick_e8 or tick_e8 == feed.tick_e8:
            return
        former, feed.tick_e8 = feed.tick_e8, tick_e8
        if not former:
            return
        _log.info("instrument.tick_changed", market=market, px_e8=px_e8, tick_e8=tick_e8, former_tick_e8=former)
        trace = common.Trace(
            market=market, exchange_time_ms=seen.exchange_time_ms, receive_time_ns=seen.receive_time_ns
        )
        changed = pb.TickChanged(px_e8=px_e8, tick_e8=tick_e8, former_tick_e8=former)
        self._hub.publish("tick", pb.MarketDataServiceSubscribeResponse(trace=trace, tick_changed=changed))

    def _book(self, data: bytes, receive_ns: int) -> None:
        wire = market_wire.BOOK.decode(data)
        book = decode.book_message(wire)
        trace = self._accept(wire.coin, "book", wire.time, receive_ns)
        if trace is None:
            return
        if decode.is_crossed_book(book):
            metrics.CROSSED_BOOKS.labels(wire.coin).inc()
            return
        self._hub.publish("book", pb.MarketDataServiceSubscribeResponse(trace=trace, book=book))
        self._alive(wire.coin, receive_ns)

    def _trades(self, data: bytes, receive_ns: int) -> None:
        fresh: dict[str, list[pb.Trade]] = {}
        for wire in market_wire.TRADES.decode(data):
            feed = self._feeds.get(wire.coin)
            if feed is not None and feed.is_new_trade((wire.time, wire.tid)):
                fresh.setdefault(wire.coin, []).append(decode.trade_message(wire, self._own_address))
        for market, trades in fresh.items():
            newest_ms = max(trade.exchange_time_ms for trade in trades)
            trace = common.Trace(market=market, exchange_time_ms=newest_ms, receive_time_ns=receive_ns)
            self._hub.publish_trades(trace, trades)

    def _context(self, data: bytes, receive_ns: int) -> None:
        wire = market_wire.ASSET_CONTEXT.decode(data)
        trace = self._accept(wire.coin, "context", 0, receive_ns)
        if trace is not None:
            context = decode.context_message(wire.ctx)
            self._hub.publish("context", pb.MarketDataServiceSubscribeResponse(trace=trace, context=context))

    def _confirmed(self, data: bytes, _receive_ns: int) -> None:
        pending = self._pending
        if pending is None:
            return
        pending.confirm(CONFIRMATION.decode(data))
        if self.is_complete:
            self._on_changed()

    def _error(self, data: bytes, _receive_ns: int) -> None:
        _log.warning("market_data.error_frame", text=envelope_wire.TEXT.decode(data))


def _subscriptions(market: str) -> list[Subscription]:
    return [
        {"type": "bbo", "coin": market},
        {"type": "l2Book", "coin": market, "fast": True},
        {"type": "trades", "coin": market},
        {"type": "activeAssetCtx", "coin": market},
    ]
