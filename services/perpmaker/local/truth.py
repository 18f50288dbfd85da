"""Reads the two sets of books that integrity compares: order-state's over gRPC, the exchange's over its public API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import aiohttp
from grpc import aio

from perpmaker.common import cloid, rpc
from perpmaker.common.decimals import NotADecimalError, parse_e8
from perpmaker.local.integrity import Books, FillId, FillTerms
from perpmaker.proto.common.v1 import common_pb2
from perpmaker.proto.orderstate.v1 import orderstate_pb2, orderstate_pb2_grpc

_PAGE = 2_000
"""Most fills the exchange serves at once."""
_TIMEOUT_S = 10.0


class BooksUnreadableError(Exception):
    """One of the two sets of books could not be read; the text says which and why."""


async def read_ledger(
    order_state: aio.Channel, since_ms: int, markets: Sequence[str], *, own_only: bool = False
) -> Books:
    """Order-state's books with fills from `since_ms` on. Raises BooksUnreadableError.

    `own_only` leaves out markets of earlier runs, whose ledgers go on.
    """
    stub = orderstate_pb2_grpc.OrdersServiceStub(order_state)
    try:
        summary = await stub.GetSummary(orderstate_pb2.GetSummaryRequest(), timeout=rpc.READ_DEADLINE_S)
        fills = await stub.ListFills(orderstate_pb2.ListFillsRequest(since_ms=since_ms), timeout=rpc.READ_DEADLINE_S)
        orders = await stub.ListOrders(orderstate_pb2.ListOrdersRequest(), timeout=rpc.READ_DEADLINE_S)
    except aio.AioRpcError as error:
        raise BooksUnreadableError(f"order-state's ledger cannot be read: {error.details()}") from error
    return Books(
        positions_e8={
            market.market: market.standing.position.sz_e8
            for market in summary.markets
            if not own_only or market.market in markets
        },
        fills={
            FillId(fill.market, fill.tid, fill.oid): FillTerms(
                fill.side == common_pb2.SIDE_BUY, fill.px_e8, fill.sz_e8, fill.fee_quote_e8
            )
            for fill in fills.fills
            if not own_only or fill.market in markets
        },
        open_orders=tuple(
            f"{order.market} {'buy' if order.side == common_pb2.SIDE_BUY else 'sell'} {order.cloid} in state "
            f"{common_pb2.OrderState.Name(order.state).removeprefix('ORDER_STATE_')}"
            for order in orders.orders
        ),
    )


class ExchangeReader:
    """Reads one account over the exchange's public API, as anybody could."""

    def __init__(self, session: aiohttp.ClientSession, api_url: str, address: str) -> None:
        self._session = session
        self._url = f"{api_url.rstrip('/')}/info"
        self._address = address

    async def read(self, since_ms: int, markets: Sequence[str], *, own_only: bool) -> Books:
        """The exchange's books with fills from `since_ms` on, on every dex of the markets. Raises BooksUnreadableError.

        `own_only` leaves out what people who use the account too may have: other markets, and open orders without a
        client id of ours.
        """
        try:
            states = [await self._ask("clearinghouseState", **dex) for dex in _dexes(markets)]
            orders = [order for dex in _dexes(markets) for order in await self._ask("openOrders", **dex)]
            positions = [item["position"] for state in states for item in state["assetPositions"]]
            fills = await self._fills(since_ms)
            return Books(
                positions_e8={
                    position["coin"]: parse_e8(position["szi"])
                    for position in positions
                    if not own_only or position["coin"] in markets
                },
                fills={key: terms for key, terms in fills.items() if not own_only or key.market in markets},
                open_orders=tuple(
                    f"{order['coin']} {'buy' if order['side'] == 'B' else 'sell'} {order['sz']} at {order['limitPx']}"
                    f" (oid {order['oid']})"
                    for order in orders
                    if not own_only or cloid.decode(order.get("cloid") or "") is not None
                ),
            )
        except (KeyError, TypeError, NotADecimalError) as error:
            raise BooksUnreadableError(f"the exchange's answer is not understood: {error!r}") from error

    async def _ask(self, question: str, **parameters: object) -> Any:
        body = {"type": question, "user": self._address, **parameters}
        try:
            async with self._session.post(
                self._url, json=body, timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S)
            ) as response:
                if response.status != 200:
                    raise BooksUnreadableError(f"the exchange answers {question} with HTTP {response.status}")
                return await response.json()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise BooksUnreadableError(f"the exchange does not answer {question}: {error!r}") from error

    async def _fills(self, since_ms: int) -> dict[FillId, FillTerms]:
        """All pages: oldest first, bounds inclusive, so the next page begins at the newest time seen."""
        found: dict[FillId, FillTerms] = {}
        while True:
            page = await self._ask("userFillsByTime", startTime=since_ms)
            known = len(found)
            for fill in page:
                found[FillId(fill["coin"], int(fill["tid"]), int(fill["oid"]))] = FillTerms(
                    fill["side"] == "B", parse_e8(fill["px"]), parse_e8(fill["sz"]), parse_e8(fill["fee"])
                )
            if len(page) < _PAGE or len(found) == known:
                return found
            since_ms = max(int(fill["time"]) for fill in page)


def _dexes(markets: Sequence[str]) -> list[dict[str, str]]:
    """Parameters of questions that cover the markets: those of a HIP-3 dex are named `dex:COIN`."""
    named = dict.fromkeys(market.partition(":")[0] for market in markets if ":" in market)
    return [{}, *({"dex": dex} for dex in named)]
