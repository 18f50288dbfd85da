"""The commands that talk to services, against servers that speak the contract with fixed answers."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from typer.testing import CliRunner, Result

from perpmaker.cli.main import app
from perpmaker.common.cloid import market_tag, mint
from perpmaker.common.decimals import E8
from perpmaker.proto.common.v1.common_pb2 import Fill, Order, OrderState, Side
from perpmaker.proto.orderstate.v1.orderstate_pb2 import ExplainRequest, ExplainResponse, JournalEntry
from perpmaker.proto.orderstate.v1.orderstate_pb2_grpc import OrdersServiceServicer, add_OrdersServiceServicer_to_server
from perpmaker.proto.risk.v1 import risk_pb2
from perpmaker.proto.risk.v1.risk_pb2_grpc import RiskServiceServicer, add_RiskServiceServicer_to_server

CLOID = mint(market_tag("main", "BTC"), epoch=7, sequence=12, is_buy=False, level=2)


class _Risk(RiskServiceServicer):
    """Answers the way a risk service with one market does; `BTC` cannot be emptied."""

    def Trip(self, request: risk_pb2.TripRequest, context: Any) -> risk_pb2.TripResponse:
        return risk_pb2.TripResponse(trip_id="trip-1", verified_empty=request.market != "BTC")

    def Rearm(self, request: risk_pb2.RearmRequest, context: Any) -> risk_pb2.RearmResponse:
        if request.trip_id != "trip-1":
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "the latched trip is trip-1")
        return risk_pb2.RearmResponse(released=True)

    def CloseMarket(self, request: risk_pb2.CloseMarketRequest, context: Any) -> risk_pb2.CloseMarketResponse:
        stuck = request.market == "BTC"
        return risk_pb2.CloseMarketResponse(verified_empty=not stuck, remaining=2 if stuck else 0)

    def OpenMarket(self, request: risk_pb2.OpenMarketRequest, context: Any) -> risk_pb2.OpenMarketResponse:
        return risk_pb2.OpenMarketResponse()

    def GetState(self, request: risk_pb2.GetStateRequest, context: Any) -> risk_pb2.GetStateResponse:
        market = risk_pb2.MarketRisk(
            market="ETH",
            permission=risk_pb2.Permission(min_position_e8=-2 * E8, max_position_e8=3 * E8, reasons=["drawdown"]),
            checks=[risk_pb2.Check(name="position", utilization_ppm=250_000, detail="0.5 of 2")],
            day_pnl_quote_e8=-E8 // 2,
            data_age_ms=-1,
        )
        trip = risk_pb2.Trip(trip_id="trip-1", market="BTC", reason="daily_loss", tripped_time_ms=1_700_000_000_000)
        return risk_pb2.GetStateResponse(markets=[market], trips=[trip], equity_quote_e8=100 * E8)


class _Orders(OrdersServiceServicer):
    """Knows one order."""

    def Explain(self, request: ExplainRequest, context: Any) -> ExplainResponse:
        if request.cloid != CLOID:
            return ExplainResponse()
        entry = JournalEntry(
            id="1-0", time_ms=1_700_000_000_001, to_state=OrderState.ORDER_STATE_PENDING, event="intent"
        )
        known = JournalEntry(
            id="2-0",
            time_ms=1_700_000_000_002,
            to_state=OrderState.ORDER_STATE_UNKNOWN,
            event="answer_lost",
            evidence="socket closed",
            from_state=OrderState.ORDER_STATE_PENDING,
        )
        return ExplainResponse(
            order=Order(
                cloid=CLOID,
                market="BTC",
                side=Side.SIDE_SELL,
                px_e8=64_000 * E8,
                sz_e8=E8 // 100,
                state=OrderState.ORDER_STATE_UNKNOWN,
            ),
            entries=[entry, known],
            fills=[Fill(tid=99, side=Side.SIDE_SELL, px_e8=64_000 * E8, sz_e8=E8 // 200, fee_token="USDC")],
        )


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    address = f"unix:{tmp_path_factory.mktemp('s')}/x.sock"
    server = grpc.server(ThreadPoolExecutor(2))
    add_RiskServiceServicer_to_server(_Risk(), server)  # type: ignore[abstract]
    add_OrdersServiceServicer_to_server(_Orders(), server)  # type: ignore[abstract]
    server.add_insecure_port(address)
    server.start()
    yield address
    server.stop(None).wait()


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_why_tells_what_the_cloid_says_and_the_history(target: str) -> None:
    result = _run("why", CLOID, "--order-state", target)
    assert result.exit_code == 0
    for part in (
        "session epoch 7, decision 12, sell, level 2",
        "sell 0.01 BTC at 64000: unknown, filled 0, oid unknown",
        "pending -> unknown",
        "answer_lost",
        "socket closed",
        "fill 99: sell 0.005 at 64000",
    ):
        assert part in result.stdout


def test_why_of_a_foreign_cloid_asks_nobody() -> None:
    result = _run("why", "0x" + "00" * 16, "--order-state", "127.0.0.1:1")
    assert result.exit_code == 2
    assert "not one of ours" in result.stdout


def test_why_of_an_unknown_order_fails(target: str) -> None:
    other = mint(1, 1, 1, is_buy=True, level=0)
    result = _run("why", other, "--order-state", target)
    assert result.exit_code == 1
    assert "no record" in result.stderr


def test_status_tells_permissions_checks_and_trips(target: str) -> None:
    result = _run("status", "--risk", target)
    assert result.exit_code == 0
    for part in (
        "equity 100",
        "ETH: position -2 to 3 (drawdown)",
        "no market data yet",
        "position 25% used 0.5 of 2",
        "TRIPPED BTC since 2023-11-14T22:13:20.000Z: daily_loss, book not yet seen empty",
        "perpmaker rearm trip-1",
    ):
        assert part in result.stdout


def test_trip_tells_how_to_go_on(target: str) -> None:
    result = _run("trip", "--risk", target, "--reason", "testing")
    assert (result.exit_code, result.stdout.splitlines()[0]) == (0, "tripped the account: trip-1")
    assert f"perpmaker rearm trip-1 --risk {target}" in result.stdout


def test_a_trip_that_did_not_empty_the_book_fails(target: str) -> None:
    assert _run("trip", "--risk", target, "--reason", "testing", "--market", "BTC").exit_code == 1


def test_rearm_of_another_trip_is_refused_with_the_service_s_words(target: str) -> None:
    assert _run("rearm", "trip-1", "--risk", target).exit_code == 0
    result = _run("rearm", "trip-0", "--risk", target)
    assert result.exit_code == 1
    assert "the latched trip is trip-1" in result.stderr


def test_close_and_open(target: str) -> None:
    assert _run("close", "ETH", "--risk", target).exit_code == 0
    assert _run("open", "ETH", "--risk", target).exit_code == 0
    result = _run("close", "BTC", "--risk", target)
    assert result.exit_code == 1
    assert "2 orders are still in doubt" in result.stderr


def test_a_service_that_is_not_there_is_named_with_a_remedy(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        for address in (f"127.0.0.1:{free.getsockname()[1]}", f"unix:{tmp_path}/none.sock"):
            result = _run("status", "--risk", address)
            assert result.exit_code == 1
            assert f"nothing answers at {address}" in result.stderr
