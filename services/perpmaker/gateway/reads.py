"""What the gateway reads over REST about one account, as contract messages with the time at which it was true."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

from perpmaker.gateway.connections.rest import ReadError, Rest
from perpmaker.gateway.decode import account as decode
from perpmaker.gateway.decode import account_wire, reference_wire
from perpmaker.gateway.exchange_clock import ExchangeClock
from perpmaker.gateway.markets import Markets
from perpmaker.proto.common.v1 import common_pb2 as common
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb

_PAGE = 2_000
_MAX_PAGES = 50


class AccountReads:
    """Reads of one account over all dexes in use."""

    def __init__(
        self,
        rest: Rest,
        address: str,
        markets: Markets,
        exchange_clock: ExchangeClock,
        confirm: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        """`confirm` is asked when the account looks as if it had never been there: whether the exchange knows it."""
        self._confirm = confirm
        self._rest = rest
        self._address = address
        self._markets = markets
        self._clock = exchange_clock

    async def open_orders(self) -> pb.OpenOrders:
        """Every open order; true at or after `as_of_ms`. Raises ReadError."""
        as_of_ms = self._clock.at_least_ms()
        found = pb.OpenOrders(as_of_ms=as_of_ms, queried=True)
        for dex in self._markets.dexes:
            orders = await self._rest.info(account_wire.OPEN_ORDERS_LIST, "openOrders", user=self._address, dex=dex)
            with _exact("openOrders"):
                found.orders.extend(decode.open_order_message(order) for order in orders)
        return found

    async def account(self) -> pb.AccountState:
        """Equity, margin and positions. Raises ReadError."""
        states = [
            await self._rest.info(account_wire.CLEARINGHOUSE, "clearinghouseState", user=self._address, dex=dex)
            for dex in self._markets.dexes
        ]
        with _exact("clearinghouseState"):
            account = decode.account_message(states)
        is_blank = not account.equity_quote_e8 and not account.positions
        if is_blank and self._confirm is not None and not await self._confirm():
            raise ReadError("clearinghouseState", "the exchange does not know the account")
        return account

    async def fills(self, since_ms: int) -> list[common.Fill]:
        """Every fill at or after a time, oldest first, each once. Raises ReadError."""
        found: dict[tuple[int, str, int, int], common.Fill] = {}
        start_ms = since_ms
        for _ in range(_MAX_PAGES):
            page = await self._rest.info(account_wire.FILLS, "userFillsByTime", user=self._address, startTime=start_ms)
            before = len(found)
            with _exact("userFillsByTime"):
                for wire in page:
                    found[wire.time, wire.coin, wire.tid, wire.oid] = decode.fill_message(wire)
            if len(page) < _PAGE or len(found) == before:
                break
            # Bounds are inclusive and a page may end inside a millisecond, so the next begins in the same one.
            start_ms = max(wire.time for wire in page)
        return sorted(found.values(), key=lambda fill: fill.exchange_time_ms)

    async def order_status(self, question: str | int) -> pb.GetOrderStatusResponse:
        """Status of one order by cloid or order id. Raises ReadError."""
        as_of_ms = self._clock.at_least_ms()
        answer = await self._rest.info(account_wire.ORDER_STATUS, "orderStatus", user=self._address, oid=question)
        if answer.status != "order" or answer.order is None:
            return pb.GetOrderStatusResponse(found=False, as_of_ms=as_of_ms)
        with _exact("orderStatus"):
            update = decode.order_update_message(answer.order)
        return pb.GetOrderStatusResponse(found=True, update=update, as_of_ms=as_of_ms, market=answer.order.order.coin)

    async def trade_limits(self, market: str) -> pb.TradeLimits:
        """What the exchange lets the account trade. Raises ReadError."""
        data = await self._rest.info(account_wire.ACTIVE_ASSET_DATA, "activeAssetData", user=self._address, coin=market)
        with _exact("activeAssetData"):
            return decode.trade_limits_message(data)

    async def universes(
        self, wanted: Sequence[str]
    ) -> tuple[Mapping[str, Sequence[reference_wire.AssetWire]], Mapping[str, int]]:
        """Universe of each wanted dex and each dex's place among the dexes. Raises ReadError."""
        places = {"": 0}
        if any(wanted):
            dexes = await self._rest.info(reference_wire.PERP_DEXS, "perpDexs")
            places |= {dex.name: index for index, dex in enumerate(dexes) if dex is not None}
        universes = {dex: meta.universe for dex, meta in (await self.metas([d for d in wanted if d in places])).items()}
        return universes, places

    async def metas(self, dexes: Sequence[str]) -> dict[str, reference_wire.MetaWire]:
        """What the exchange lists in each dex. Raises ReadError."""
        return {dex: await self._rest.info(reference_wire.META, "meta", dex=dex) for dex in dexes}


@contextlib.contextmanager
def _exact(kind: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:  # no decimal, or beyond what the contract's integers hold
        raise ReadError(kind, f"malformed: {error}") from error
