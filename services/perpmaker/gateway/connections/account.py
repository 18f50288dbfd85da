"""The account socket: subscribes, turns frames into events, and opens a gap whenever something may have been missed.

A frame that cannot be read is a gap too: what it said is unknown, so everything is read again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from perpmaker.common import logs
from perpmaker.common.clock import Clock
from perpmaker.gateway import metrics
from perpmaker.gateway.account_hub import FILL_OVERLAP_MS, AccountHub, event
from perpmaker.gateway.connections.rest import ReadError
from perpmaker.gateway.connections.socket import Link, LossReason, SocketDownError
from perpmaker.gateway.connections.subscriptions import (
    CONFIRMATION,
    Pending,
    Subscription,
    subscribe_frame,
    unsubscribe_frame,
)
from perpmaker.gateway.decode import account as decode
from perpmaker.gateway.decode import account_wire, envelope_wire
from perpmaker.gateway.exchange_clock import ExchangeClock
from perpmaker.gateway.malformed import COMPLAINTS, UNREADABLE
from perpmaker.gateway.markets import Markets
from perpmaker.hyperliquid.statuses import StatusMeaning, meaning_of
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb

PUSH_LAG_MS = 3_000
"""How far a pushed snapshot was seen to lag the exchange."""

MAX_AHEAD_MS = 60_000
"""How far ahead of the exchange's clock a message's time may be."""

_log = logs.get(__name__)


class AheadOfTimeError(ValueError):
    """A message carries a time that the exchange's clock is far from."""

    def __init__(self, time_ms: int) -> None:
        super().__init__(f"time {time_ms} is far ahead of the exchange's clock")


class AccountStream:
    """Owner of the account socket."""

    def __init__(
        self,
        address: str,
        markets: Markets,
        hub: AccountHub,
        clock: Clock,
        exchange_clock: ExchangeClock,
        on_changed: Callable[[], None],
        on_scheduled_cancel: Callable[[int], None],
        confirm: Callable[[], Awaitable[bool]] | None = None,
        on_delisted_cancel: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_changed` is called when the stream becomes complete or is lost; `on_scheduled_cancel` with the exchange
        time of an order that the dead man's switch cancelled. `confirm` is asked before anything is taken from a new
        connection: whether the other side is still the exchange that knows the account; it may raise ReadError.
        `on_delisted_cancel` is called when the exchange took an order away because its market has stopped.
        """
        self._address = address.lower()
        self._markets = markets
        self._first_dexes: tuple[str, ...] = ()
        self._hub = hub
        self._clock = clock
        self._exchange_clock = exchange_clock
        self._on_changed = on_changed
        self._on_scheduled_cancel = on_scheduled_cancel
        self._on_delisted_cancel = on_delisted_cancel
        self._confirm = confirm
        self._link: Link | None = None
        self._pending: Pending | None = None
        self._subscribed: list[Subscription] = []
        self._orders: dict[str, Sequence[account_wire.OrderWireInfo]] = {}
        self._states: dict[str, account_wire.ClearinghouseWire] = {}
        self._readers: dict[str, Callable[[bytes, int], None]] = {
            "orderUpdates": self._order_updates,
            "userFills": self._user_fills,
            "openOrders": self._open_orders,
            "clearinghouseState": self._clearinghouse,
            "activeAssetData": self._active_asset_data,
            "userFundings": self._fundings,
            "userNonFundingLedgerUpdates": self._ledger,
            "user": self._user_event,
            "subscriptionResponse": self._confirmed,
            "error": self._error,
        }

    @property
    def is_complete(self) -> bool:
        """Whether all that the connection began with is confirmed and its first snapshots have arrived."""
        return (
            self._pending is not None
            and self._pending.is_empty
            and all(dex in self._orders and dex in self._states for dex in self._first_dexes)
        )

    def _subscriptions(self) -> list[Subscription]:
        user = self._address
        wanted: list[Subscription] = [
            {"type": kind, "user": user}
            for kind in ("orderUpdates", "userFills", "userEvents", "userFundings", "userNonFundingLedgerUpdates")
        ]
        wanted += [
            {"type": kind, "user": user, "dex": dex} if dex else {"type": kind, "user": user}
            for dex in self._markets.dexes
            for kind in ("openOrders", "clearinghouseState")
        ]
        wanted.extend({"type": "activeAssetData", "user": user, "coin": market} for market in self._markets.names)
        return wanted

    async def opened(self, link: Link) -> None:
        """See SocketOwner."""
        if self._confirm is not None:
            try:
                is_ours = await self._confirm()
            except ReadError as error:
                raise SocketDownError(str(error)) from error
            if not is_ours:
                raise SocketDownError("the exchange does not know the account")
        wanted = self._subscriptions()
        self._link = link
        self._subscribed = wanted
        self._first_dexes = self._markets.dexes
        self._pending = Pending(wanted, self._clock.monotonic_s())
        self._orders.clear()
        self._states.clear()
        for subscription in wanted:
            await link.send(subscribe_frame(subscription))

    async def follow_markets(self) -> None:
        """Bring the subscriptions in line with the markets served now; all others go on over the same connection."""
        link, pending = self._link, self._pending
        if link is None or pending is None:
            return
        before, self._subscribed = self._subscribed, self._subscriptions()
        added = [subscription for subscription in self._subscribed if subscription not in before]
        dropped = [subscription for subscription in before if subscription not in self._subscribed]
        pending.drop(dropped)
        pending.add(added, self._clock.monotonic_s())
        try:
            for frame in (*map(unsubscribe_frame, dropped), *map(subscribe_frame, added)):
                await link.send(frame)
        except SocketDownError:
            pass  # the next connection begins with the markets of that time

    def received(self, frame: bytes, receive_ns: int) -> None:
        """See SocketOwner."""
        try:
            envelope = envelope_wire.FRAME.decode(frame)
            reader = self._readers.get(envelope.channel)
            if reader is None:
                return
            was_complete = self.is_complete
            reader(bytes(envelope.data), receive_ns)
        except UNREADABLE as error:
            COMPLAINTS.unreadable("account", frame, error)
            self._hub.open_gap("bad_frame")
            return
        if self.is_complete and not was_complete:
            self._on_changed()

    def lost(self, reason: LossReason) -> None:
        """See SocketOwner."""
        self._link = None
        if self._pending is not None:
            self._pending = None
            self._hub.open_gap(reason)
            self._on_changed()

    def verdict(self) -> LossReason | None:
        """See SocketOwner."""
        overdue = self._pending is not None and self._pending.is_overdue(self._clock.monotonic_s())
        return "subscribe_failed" if overdue else None

    def _confirmed(self, data: bytes, _receive_ns: int) -> None:
        if self._pending is not None:
            self._pending.confirm(CONFIRMATION.decode(data))

    def _error(self, data: bytes, _receive_ns: int) -> None:
        _log.warning("account.error_frame", text=envelope_wire.TEXT.decode(data))

    def _order_updates(self, data: bytes, receive_ns: int) -> None:
        wires = account_wire.ORDER_UPDATES.decode(data)
        # All of a frame is read before any of it is told: half of one would be neither truth nor gap.
        updates = [decode.order_update_message(wire) for wire in wires]
        for wire, update in zip(wires, updates, strict=True):
            if meaning_of(wire.status) is StatusMeaning.UNRECOGNIZED:
                metrics.UNKNOWN_STATUSES.inc()
                _log.warning("account.unrecognized_status", status=wire.status, oid=wire.order.oid)
            if wire.status == "scheduledCancel":
                self._on_scheduled_cancel(wire.status_timestamp)
            elif wire.status == "delistedCanceled":
                self._on_delisted_cancel()
            self._hub.publish(event(wire.order.coin, wire.status_timestamp, receive_ns, order_update=update))

    def _user_fills(self, data: bytes, receive_ns: int) -> None:
        message = account_wire.USER_FILLS.decode(data)
        # The snapshot repeats thousands of old fills; gaps are closed by a read that says where it begins.
        oldest_ms = self._exchange_clock.now_ms() - FILL_OVERLAP_MS if message.is_snapshot else 0
        recent = [wire for wire in sorted(message.fills, key=lambda fill: fill.time) if wire.time >= oldest_ms]
        newest_ms = recent[-1].time if recent else 0
        if newest_ms > self._exchange_clock.now_ms() + MAX_AHEAD_MS:
            # It would move the watermark of fills beyond all that are still to come.
            raise AheadOfTimeError(newest_ms)
        for wire, fill in [(wire, decode.fill_message(wire)) for wire in recent]:
            self._hub.publish(event(wire.coin, wire.time, receive_ns, fill=fill))

    def _open_orders(self, data: bytes, receive_ns: int) -> None:
        message = account_wire.OPEN_ORDERS.decode(data)
        for order in message.orders:
            decode.open_order_message(order)
        self._orders[message.dex] = message.orders
        if not all(dex in self._orders for dex in self._markets.dexes):
            return
        as_of_ms = self._exchange_clock.at_least_ms() - PUSH_LAG_MS
        everything = [order for orders in self._orders.values() for order in orders]
        snapshot = pb.OpenOrders(orders=[decode.open_order_message(order) for order in everything], as_of_ms=as_of_ms)
        self._hub.publish(event("", as_of_ms, receive_ns, open_orders=snapshot))

    def _clearinghouse(self, data: bytes, receive_ns: int) -> None:
        message = account_wire.CLEARINGHOUSE_FRAME.decode(data)
        decode.account_message([message.clearinghouse_state])
        self._states[message.dex] = message.clearinghouse_state
        if all(dex in self._states for dex in self._markets.dexes):
            state = decode.account_message(self._states.values())
            self._hub.publish(event("", state.exchange_time_ms, receive_ns, account=state))

    def _active_asset_data(self, data: bytes, receive_ns: int) -> None:
        message = account_wire.ACTIVE_ASSET_DATA.decode(data)
        limits = decode.trade_limits_message(message)
        self._hub.publish(event(message.coin, 0, receive_ns, trade_limits=limits))

    def _fundings(self, data: bytes, receive_ns: int) -> None:
        wires = account_wire.USER_FUNDINGS.decode(data).fundings
        for wire, funding in [(wire, decode.funding_message(wire)) for wire in wires]:
            self._hub.publish(event(wire.coin, wire.time, receive_ns, funding=funding))

    def _ledger(self, data: bytes, receive_ns: int) -> None:
        message = account_wire.LEDGER_UPDATES.decode(data)
        if message.is_snapshot:  # history, already part of the equity that is read at start
            return
        for wire in message.non_funding_ledger_updates:
            delta = decode.ledger_delta_message(wire, self._address)
            self._hub.publish(event("", wire.time, receive_ns, ledger_delta=delta))

    def _user_event(self, data: bytes, receive_ns: int) -> None:
        message = account_wire.USER_EVENT.decode(data)
        for cancel in message.non_user_cancel or ():
            self._hub.publish(event(cancel.coin, 0, receive_ns, non_user_cancel=pb.NonUserCancel(oid=cancel.oid)))
        if message.liquidation is not None:
            self._hub.publish(event("", 0, receive_ns, liquidation=decode.liquidation_message(message.liquidation)))
