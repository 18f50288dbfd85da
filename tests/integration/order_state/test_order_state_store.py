"""The store on real servers: atomic, fenced, repeatable; and order-state through an outage of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from grpc import aio
from msgspec.structs import replace
from tests.support import waiting
from tests.support.order_state import ACCOUNT, MARKET, T0, e8, fill, order
from tests.support.order_state_stack import RedisProcess, Stack, redis_kinds, redis_server, stack, until
from tests.support.waiting import HANG_S

from perpmaker.common.service import StartError
from perpmaker.order_state import app as app_module
from perpmaker.order_state.core.ledger import FundingEntry
from perpmaker.order_state.core.transitions import State
from perpmaker.order_state.store.records import JournalLine, Write
from perpmaker.order_state.store.redis_store import (
    DisownedError,
    DuplicateError,
    FencedError,
    LostError,
    StaleError,
    Store,
    StoreDownError,
)
from perpmaker.proto.orderstate.v1 import orderstate_pb2 as os_


@pytest.fixture(scope="module", params=redis_kinds())
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    with redis_server(request.param, tmp_path_factory.mktemp("store")) as running:
        yield running


@pytest.fixture
async def store(server: RedisProcess) -> AsyncIterator[Store]:
    with server.client() as client:
        client.flushall()
    opened = Store(server.url, ACCOUNT)
    await opened.open()
    yield opened
    await opened.close()


def line(cloid: str) -> JournalLine:
    return JournalLine(market=MARKET, cloid=cloid, time_ms=T0, before=0, after=1, event="intent")


async def test_what_is_written_is_replayed(store: Store) -> None:
    funding = FundingEntry(market=MARKET, amount_quote_e8=5, exchange_time_ms=T0)
    write = Write(
        orders=((order(1), 0), (order(2), 0)),
        journal=(line(order(1).cloid),),
        entries=(fill(1), funding),
        totals=(("BTC|placed", 2),),
        nonce=T0,
    )
    await store.commit(write)
    replay = await store.replay()
    assert {o.cloid: o for o in replay.orders} == {o.cloid: o for o in (order(1), order(2))}
    assert replay.entries == (fill(1), funding)
    assert (replay.totals, replay.highest_nonce) == ({"BTC|placed": 2}, T0)
    assert [entry.event for entry in await store.history(order(1).cloid, 0)] == ["intent"]


async def test_writing_twice_changes_nothing(store: Store) -> None:
    """I16."""
    write = Write(orders=((order(1), 0),), entries=(fill(1),), nonce=T0)
    await store.commit(write)
    await store.commit(write)
    replay = await store.replay()
    assert (len(replay.orders), len(replay.entries)) == (1, 1)


async def test_the_highest_nonce_never_falls(store: Store) -> None:
    await store.commit(Write(nonce=T0 + 5))
    await store.commit(Write(nonce=T0))
    assert (await store.replay()).highest_nonce == T0 + 5


async def test_an_intent_with_a_known_cloid_is_refused_whole(store: Store) -> None:
    await store.commit(Write(orders=((order(1), 0),)))
    changed = order(1, px_e8=e8("101"))
    with pytest.raises(DuplicateError) as caught:
        await store.commit(Write(orders=((changed, 0), (order(2), 0))))
    assert caught.value.cloids == (order(1).cloid,)
    assert len((await store.replay()).orders) == 1


async def test_a_stale_version_is_refused_and_a_forced_write_is_not(store: Store) -> None:
    await store.commit(Write(orders=((order(1), 0),)))
    newer = order(1, version=5, state=State.RESTING)
    for known in (3, 4):
        with pytest.raises(StaleError) as caught:
            await store.commit(Write(orders=((newer, known),)))
        assert caught.value.stored_version == 1
    with pytest.raises(StaleError):
        await store.commit(Write(orders=((order(9, version=2), 1),)))
    await store.commit(Write(orders=((newer, 0),), force=True))
    assert (await store.replay()).orders == (newer,)


async def test_only_the_newest_session_writes_intents(store: Store) -> None:
    """I48."""
    first = await store.acquire(MARKET, 0)
    second = await store.acquire(MARKET, 0)
    assert second == first + 1
    with pytest.raises(FencedError) as caught:
        await store.commit(Write(orders=((order(1), 0),), fence=(MARKET, first)))
    assert caught.value.newest == second
    await store.commit(Write(orders=((order(1), 0),), fence=(MARKET, second)))
    assert await store.acquire(MARKET, 40) == 41


async def test_a_newer_process_takes_over(store: Store, server: RedisProcess) -> None:
    newer = Store(server.url, ACCOUNT)
    await newer.open()
    assert newer.generation == store.generation + 1
    with pytest.raises(DisownedError) as caught:
        await store.commit(Write(nonce=T0))
    assert caught.value.holder == newer.generation
    for refused in (store.acquire(MARKET, 0), store.reopen({}), store.retire([order(1).cloid])):
        with pytest.raises(DisownedError):
            await refused
    await newer.close()


async def test_a_store_that_lost_its_data_says_so(store: Store, server: RedisProcess) -> None:
    with server.client() as client:
        client.flushall()
    with pytest.raises(LostError):
        await store.commit(Write(nonce=T0))
    assert await store.reopen({MARKET: 7})
    assert (await store.replay()).epochs == {MARKET: 7}
    assert not await store.reopen({MARKET: 3})
    assert (await store.replay()).epochs == {MARKET: 7}


async def test_retired_orders_are_found_by_cloid(store: Store) -> None:
    await store.commit(Write(orders=((order(1), 0),)))
    await store.retire([order(1).cloid, order(2).cloid])
    assert (await store.replay()).orders == ()
    assert await store.find(order(1).cloid) == order(1)
    assert await store.find(order(2).cloid) is None


async def test_long_streams_are_read_to_the_end(store: Store) -> None:
    entries = tuple(fill(tid) for tid in range(2_500))
    await store.commit(Write(entries=entries))
    assert (await store.replay()).entries == entries


async def test_a_dead_server_is_said_to_be_down(tmp_path: Path) -> None:
    with redis_server(redis_kinds()[0], tmp_path) as server:
        gone = Store(server.url, ACCOUNT)
        await gone.open()
        server.kill()
        for asked in (gone.ping(), gone.commit(Write(nonce=1)), gone.acquire(MARKET, 0), gone.replay()):
            with pytest.raises(StoreDownError):
                await asked
        await gone.close()


async def test_an_outage_stops_new_orders_and_no_cancel_and_loses_nothing(tmp_path: Path) -> None:
    for kind in redis_kinds():
        folder = tmp_path / kind
        folder.mkdir()
        with redis_server(kind, folder) as server:
            async with stack(folder, server.url) as running:
                quoter = await running.quoter()
                orders = [quoter.order(level=level) for level in range(2)]
                await quoter.submit(places=orders)
                await quoter.reaches(orders[1].cloid, "RESTING")
                server.kill()
                await until(lambda q=quoter: "store" in q.hold.reasons, "the hold")
                assert await quoter.submit(cancels=[orders[0].cloid], places=[quoter.order(level=2)]) == [
                    "ACCEPTED",
                    "HELD",
                ]
                await quoter.reaches(orders[0].cloid, "CANCELLED")
                running.exchange.fill(orders[1].cloid, "0.5")
                await until(lambda q=quoter: q.standing.position.sz_e8 == e8("0.5"), "position")
                server.start()
                await until(lambda q=quoter: not q.hold.held, "the release")
                await running.ready()
                assert await quoter.submit(places=[quoter.order(level=2)]) == ["ACCEPTED"]
                await running.crash()
                await running.start()
                again = await running.quoter()
                assert again.standing.position.sz_e8 == e8("0.5")
                assert orders[0].cloid not in again.orders
                assert again.orders[orders[1].cloid].filled_e8 == e8("0.5")
                told = await again.stub.Explain(os_.ExplainRequest(cloid=orders[0].cloid), timeout=HANG_S)
                assert told.entries[-1].event in ("cancel_confirmed", "seen_cancelled")


async def test_an_intent_whose_write_was_not_answered_is_not_sent(tmp_path: Path) -> None:
    with redis_server(redis_kinds()[0], tmp_path) as server:
        async with stack(tmp_path, server.url) as running:
            quoter = await running.quoter()
            resting = await quoter.rests()
            server.kill()
            order_ = quoter.order(level=1)
            verdicts = await quoter.submit(cancels=[resting.cloid], places=[order_])
            assert verdicts[0] == "ACCEPTED"
            assert verdicts[1] in ("STORE", "HELD")
            await quoter.reaches(resting.cloid, "CANCELLED")
            assert [place.cloid for r in running.exchange.requests for place in r.places] == [resting.cloid]
            server.start()
            await until(lambda: not quoter.hold.held, "the release")
            if verdicts[1] == "STORE":
                assert quoter.state(order_.cloid) == "NEVER_LANDED"


async def test_a_store_that_lost_everything_is_filled_again_from_memory(running: Stack, server: RedisProcess) -> None:
    quoter = await running.quoter()
    orders = [quoter.order(level=level) for level in range(2)]
    await quoter.submit(places=orders)
    await quoter.reaches(orders[1].cloid, "RESTING")
    running.exchange.fill(orders[0].cloid, "0.5")
    await until(lambda: quoter.standing.position.sz_e8 == e8("0.5"), "position")
    with server.client() as client:
        client.flushall()
    running.exchange.fill(orders[1].cloid, "0.25")
    await until(lambda: any("store" in e.hold.reasons for e in quoter.events), "the hold")
    await until(lambda: not quoter.hold.held, "the release")
    before = await quoter.stub.GetSummary(os_.GetSummaryRequest(), timeout=HANG_S)
    await running.crash()
    await running.start()
    again = await running.quoter()
    after = await again.stub.GetSummary(os_.GetSummaryRequest(), timeout=HANG_S)
    assert after.markets[0].standing.position == before.markets[0].standing.position
    assert {c: o.filled_e8 for c, o in again.orders.items()} == {
        orders[0].cloid: e8("0.5"),
        orders[1].cloid: e8("0.25"),
    }
    assert again.epoch > quoter.epoch


async def test_reading_the_past_during_an_outage_says_that_it_is_one(tmp_path: Path) -> None:
    from grpc import StatusCode, aio

    with redis_server(redis_kinds()[0], tmp_path) as server:
        async with stack(tmp_path, server.url) as running:
            quoter = await running.quoter()
            server.kill()
            stub = quoter.stub
            for call in (
                stub.ListFills(os_.ListFillsRequest(), timeout=HANG_S),
                stub.Explain(os_.ExplainRequest(cloid="0x1"), timeout=HANG_S),
                stub.AcquireSession(os_.AcquireSessionRequest(market=MARKET), timeout=HANG_S),
            ):
                with pytest.raises(aio.AioRpcError) as caught:
                    await call
                assert caught.value.code() is StatusCode.UNAVAILABLE


async def test_an_unknown_order_has_no_history(running: Stack) -> None:
    from grpc import StatusCode, aio

    quoter = await running.quoter()
    for call, code in (
        (quoter.stub.Explain(os_.ExplainRequest(cloid="0x1"), timeout=HANG_S), StatusCode.NOT_FOUND),
        (quoter.stub.ListOrders(os_.ListOrdersRequest(market="DOGE"), timeout=HANG_S), StatusCode.INVALID_ARGUMENT),
    ):
        with pytest.raises(aio.AioRpcError) as caught:
            await call
        assert caught.value.code() is code


async def test_records_of_another_version_are_refused_with_a_remedy(server: RedisProcess, tmp_path: Path) -> None:
    with server.client() as client:
        client.flushall()
        client.hset("pm:{main}:orders:live", "0x1", b"1 {not json")
    made = Stack(tmp_path, server.url)
    with pytest.raises(StartError, match="run the version that wrote them"):
        await made.start()
    await made.crash()


async def test_a_store_that_never_comes_is_a_start_error(
    server: RedisProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_module, "_STORE_PATIENCE_S", 0.3)
    made = Stack(tmp_path, "redis://127.0.0.1:1/0")
    with pytest.raises(StartError, match="cannot be used"):
        await made.start()
    await made.crash()


async def test_an_order_of_a_market_no_longer_configured_is_tracked_until_it_is_over(
    store: Store, running: Stack
) -> None:
    stray = replace(order(1), market="DOGE", expires_after_ms=T0 + 7_000)
    await running.crash()
    other = Store(running.part.redis_url, ACCOUNT)
    await other.open()
    await other.commit(Write(orders=((stray, 0),), entries=(replace(fill(1), market="DOGE"),)))
    await other.acquire("DOGE", 0)
    await other.close()
    # Its expiry is long past: the first answer of the exchange would prove it absent.
    running.exchange.reads_fail = True
    await running.start()
    quoter = await running.quoter()

    async def is_over() -> bool:
        return (await quoter.stub.ListOrders(os_.ListOrdersRequest(), timeout=HANG_S)).orders == []

    assert not await is_over()
    running.exchange.reads_fail = False
    running.clock.skip(60_000)
    await waiting.until("the order is proven absent", is_over)
    with pytest.raises(aio.AioRpcError, match="not configured"):
        await quoter.stub.AcquireSession(os_.AcquireSessionRequest(market="DOGE"), timeout=HANG_S)
