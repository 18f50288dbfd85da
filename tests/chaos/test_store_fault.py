"""The store is killed for five seconds: no new orders meanwhile, cancels still go, nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.support.server import StoreServer
from tests.support.stack import assert_books_agree, running

from perpmaker.common import rpc
from perpmaker.proto.orderstate.v1 import orderstate_pb2 as orders
from perpmaker.proto.orderstate.v1 import orderstate_pb2_grpc as orders_grpc

SEED = 13
DOWN_MS = 5_000


async def test_five_seconds_without_a_store_place_nothing_and_still_cancel(
    tmp_path: Path, verdict: Callable[[str], None]
) -> None:
    store = StoreServer(tmp_path)
    store.start()
    try:
        async with running(tmp_path / "data", "--redis-url", store.url, seed=SEED) as stack:
            await stack.wait_event("quoting", within_s=60)
            await stack.wait_fills(3)
            store.kill()
            down_ms = await stack.exchange_time_ms()
            async with rpc.connect(stack.target("order-state/demo")) as channel:
                drained = await orders_grpc.OrdersServiceStub(channel).CancelAll(
                    orders.CancelAllRequest(market="BTC", drain_id="store-down"), timeout=rpc.READ_DEADLINE_S
                )
            now_ms = await stack.wait_exchange_time(down_ms + DOWN_MS, within_s=30)
            history = await stack.info(type="historicalOrders", user=stack.address)
            store.start()
            await stack.wait_fills(5, after=len(stack.lines), within_s=90)
            summary = await stack.stop()
    finally:
        store.kill()
    # What was on its way to the exchange when the store died may still land within a round trip.
    placed = [item for item in history if down_ms + 300 < item["order"]["timestamp"] <= now_ms]
    verdict(
        f"seed {SEED}, store down {DOWN_MS} ms: {len(placed)} orders placed meanwhile,"
        f" drain verified empty: {drained.verified_empty}, {summary['integrity']}"
    )
    assert drained.verified_empty
    assert placed == []
    assert_books_agree(summary)
