"""Documented exchange frames, through the streams that read them, to exact contract messages."""

from __future__ import annotations

import json
from typing import Any

import pytest

from perpmaker.common.clock import ManualClock
from perpmaker.gateway.account_hub import AccountHub, Snapshot, Subscriber
from perpmaker.gateway.connections.account import AccountStream
from perpmaker.gateway.connections.market_data import MarketDataStream
from perpmaker.gateway.exchange_clock import ExchangeClock
from perpmaker.gateway.market_hub import Mailbox, MarketHub
from perpmaker.gateway.markets import Markets
from perpmaker.proto.common.v1 import common_pb2 as common
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb

NOW = 1_760_000_000_000
ADDRESS = "0x" + "ab" * 20
CLOID = "0x00000000000000000000000000000001"

ORDER = {
    "coin": "BTC",
    "side": "B",
    "limitPx": "64310.0",
    "sz": "0.01",
    "oid": 345678901234,
    "timestamp": NOW,
    "origSz": "0.02",
    "cloid": CLOID,
}
FRONTEND = ORDER | {
    "triggerCondition": "N/A",
    "isTrigger": False,
    "triggerPx": "0.0",
    "children": [],
    "isPositionTpsl": False,
    "reduceOnly": False,
    "orderType": "Limit",
    "tif": "Alo",
}
FILL = {
    "coin": "BTC",
    "px": "64310.0",
    "sz": "0.01",
    "side": "A",
    "time": NOW + 5,
    "startPosition": "-0.02",
    "dir": "Open Short",
    "closedPnl": "0.0",
    "hash": "0x" + "0" * 64,
    "oid": 345678901234,
    "crossed": True,
    "fee": "-0.0964651",
    "tid": 118906512037719,
    "cloid": CLOID,
    "feeToken": "USDC",
    "twapId": None,
}
STATE = {
    "marginSummary": {
        "accountValue": "13109.482328",
        "totalNtlPos": "100.02765",
        "totalRawUsd": "13009.454678",
        "totalMarginUsed": "4.967826",
    },
    "crossMarginSummary": {
        "accountValue": "13104.514502",
        "totalNtlPos": "0.0",
        "totalRawUsd": "13104.514502",
        "totalMarginUsed": "0.0",
    },
    "crossMaintenanceMarginUsed": "0.0",
    "withdrawable": "13104.514502",
    "assetPositions": [
        {
            "type": "oneWay",
            "position": {
                "coin": "ETH",
                "szi": "-0.0335",
                "leverage": {"type": "isolated", "value": 20, "rawUsd": "-95.059824"},
                "entryPx": "2986.3",
                "positionValue": "100.02765",
                "unrealizedPnl": "-0.0134",
                "returnOnEquity": "-0.0026789",
                "liquidationPx": None,
                "marginUsed": "4.967826",
                "maxLeverage": 50,
                "cumFunding": {"allTime": "514.085417", "sinceOpen": "0.0", "sinceChange": "0.0"},
            },
        }
    ],
    "time": NOW,
}


class AccountCase:
    """An account stream with one reader whose first gap is closed."""

    def __init__(self) -> None:
        clock = ManualClock(NOW)
        self.hub = AccountHub()
        self.switch_firings: list[int] = []
        self.stream = AccountStream(
            ADDRESS,
            Markets(("BTC",)),
            self.hub,
            clock,
            ExchangeClock(clock),
            lambda: None,
            self.switch_firings.append,
            lambda: None,
        )
        self.reader: Subscriber = self.hub.subscribe(NOW)
        self.hub.close_gap(self.hub.generation, Snapshot(pb.OpenOrders(), (), pb.AccountState()), 0)
        self.reader.drain()

    def tell(self, channel: str, data: Any) -> list[pb.AccountServiceSubscribeResponse]:
        self.stream.received(json.dumps({"channel": channel, "data": data}).encode(), 77)
        return self.reader.drain()


class MarketCase:
    """A market data stream with one reader."""

    def __init__(self) -> None:
        self.hub = MarketHub()
        self.clock = ManualClock(NOW)
        self.stream = MarketDataStream(("BTC", "ETH"), ADDRESS.upper(), self.hub, self.clock, 5.0, lambda: None)
        self.reader: Mailbox = self.hub.subscribe(["BTC", "ETH"])
        self.reader.drain()

    def tell(self, channel: str, data: Any) -> list[pb.MarketDataServiceSubscribeResponse]:
        now_ns = self.clock.monotonic_ns() or 1
        self.stream.received(json.dumps({"channel": channel, "data": data}).encode(), now_ns)
        return self.reader.drain()

    def quote(self, bid: str, ask: str, time_ms: int = NOW, coin: str = "BTC") -> Any:
        levels = [{"px": bid, "sz": "1.25", "n": 4}, {"px": ask, "sz": "0.4", "n": 2}]
        return self.tell("bbo", {"coin": coin, "time": time_ms, "bbo": levels})


def test_order_update_keeps_the_exchanges_status_and_sizes() -> None:
    (message,) = AccountCase().tell(
        "orderUpdates", [{"order": ORDER, "status": "badAloPxRejected", "statusTimestamp": NOW}]
    )
    assert message.trace.market == "BTC"
    assert message.trace.receive_time_ns == 77
    assert message.order_update == pb.OrderUpdate(
        oid=345678901234,
        cloid=CLOID,
        side=common.SIDE_BUY,
        px_e8=6_431_000_000_000,
        remaining_e8=1_000_000,
        orig_sz_e8=2_000_000,
        status="badAloPxRejected",
        status_time_ms=NOW,
    )


def test_status_of_tomorrow_is_passed_on() -> None:
    (message,) = AccountCase().tell("orderUpdates", [{"order": ORDER, "status": "moonPhase", "statusTimestamp": NOW}])
    assert message.order_update.status == "moonPhase"


def test_cancel_by_the_dead_mans_switch_is_noticed() -> None:
    case = AccountCase()
    case.tell("orderUpdates", [{"order": ORDER, "status": "scheduledCancel", "statusTimestamp": NOW + 3}])
    assert case.switch_firings == [NOW + 3]


def test_fill_is_exact_with_its_rebate() -> None:
    (message,) = AccountCase().tell("userFills", {"user": ADDRESS, "fills": [FILL]})
    assert message.fill == common.Fill(
        market="BTC",
        tid=118906512037719,
        oid=345678901234,
        cloid=CLOID,
        side=common.SIDE_SELL,
        px_e8=6_431_000_000_000,
        sz_e8=1_000_000,
        fee_quote_e8=-9_646_510,
        fee_token="USDC",
        exchange_time_ms=NOW + 5,
        taker=True,
        start_position_e8=-2_000_000,
    )


def test_snapshot_of_fills_passes_on_the_recent_ones_only() -> None:
    old = FILL | {"time": NOW - 3_600_000, "tid": 1}
    messages = AccountCase().tell("userFills", {"user": ADDRESS, "isSnapshot": True, "fills": [FILL, old]})
    assert [message.fill.tid for message in messages] == [FILL["tid"]]


def test_liquidation_fill_says_so() -> None:
    info = {"liquidatedUser": "0x1", "markPx": "64290.0", "method": "market"}
    (message,) = AccountCase().tell("userFills", {"user": ADDRESS, "fills": [FILL | {"liquidation": info}]})
    assert message.fill.liquidation


def test_pushed_open_orders_claim_no_more_than_they_can_know() -> None:
    (message,) = AccountCase().tell("openOrders", {"dex": "", "user": ADDRESS, "orders": [FRONTEND]})
    assert not message.open_orders.queried
    assert message.open_orders.as_of_ms < NOW - 2_000
    (order,) = message.open_orders.orders
    assert (order.oid, order.cloid, order.remaining_e8) == (345678901234, CLOID, 1_000_000)


def test_account_state_has_equity_and_signed_positions() -> None:
    (message,) = AccountCase().tell("clearinghouseState", {"dex": "", "user": ADDRESS, "clearinghouseState": STATE})
    assert message.account.equity_quote_e8 == 1_310_948_232_800
    assert message.account.margin_used_quote_e8 == 496_782_600
    (position,) = message.account.positions
    assert (position.market, position.sz_e8, position.leverage, position.liquidation_px_e8) == (
        "ETH",
        -3_350_000,
        20,
        0,
    )


def test_funding_paid_is_negative() -> None:
    funding = {
        "time": NOW,
        "coin": "BTC",
        "usdc": "-0.00804",
        "szi": "0.01",
        "fundingRate": "0.0000125",
        "nSamples": None,
    }
    (message,) = AccountCase().tell("userFundings", {"user": ADDRESS, "fundings": [funding]})
    assert (message.funding.amount_quote_e8, message.funding.rate_e8) == (-804_000, 1_250)


@pytest.mark.parametrize(
    ("delta", "amount"),
    [
        ({"type": "deposit", "usdc": "1000.0"}, 100_000_000_000),
        ({"type": "withdraw", "usdc": "5.0", "nonce": 1, "fee": "1.0"}, -500_000_000),
        ({"type": "accountClassTransfer", "usdc": "7.0", "toPerp": False}, -700_000_000),
        ({"type": "internalTransfer", "usdc": "2.0", "user": "0x1", "destination": ADDRESS.upper()}, 200_000_000),
        ({"type": "internalTransfer", "usdc": "2.0", "user": ADDRESS, "destination": "0x1"}, -200_000_000),
        ({"type": "liquidation", "accountValue": "1.0"}, 0),
    ],
)
def test_money_that_is_no_profit_has_its_direction(delta: dict[str, Any], amount: int) -> None:
    update = {"user": ADDRESS, "nonFundingLedgerUpdates": [{"time": NOW, "hash": "0x", "delta": delta}]}
    (message,) = AccountCase().tell("userNonFundingLedgerUpdates", update)
    assert (message.ledger_delta.kind, message.ledger_delta.amount_quote_e8) == (delta["type"], amount)


def test_what_the_exchange_does_on_its_own_is_told() -> None:
    case = AccountCase()
    (cancelled,) = case.tell("user", {"nonUserCancel": [{"coin": "BTC", "oid": 9}]})
    assert (cancelled.trace.market, cancelled.non_user_cancel.oid) == ("BTC", 9)
    liquidation = {
        "lid": 91,
        "liquidator": "0x1",
        "liquidated_user": ADDRESS,
        "liquidated_ntl_pos": "1234.5",
        "liquidated_account_value": "10.2",
    }
    (liquidated,) = case.tell("user", {"liquidation": liquidation})
    assert liquidated.liquidation.notional_quote_e8 == 123_450_000_000
    assert case.tell("user", {"fills": [FILL]}) == []


def test_trade_limits_are_buy_then_sell() -> None:
    data = {
        "user": ADDRESS,
        "coin": "BTC",
        "leverage": {"type": "cross", "value": 10},
        "maxTradeSzs": ["1.5", "2.5"],
        "availableToTrade": ["9646.5", "9646.5"],
        "markPx": "64312.0",
    }
    (message,) = AccountCase().tell("activeAssetData", data)
    limits = message.trade_limits
    assert (limits.max_buy_e8, limits.max_sell_e8, limits.leverage, limits.cross) == (
        150_000_000,
        250_000_000,
        10,
        True,
    )


@pytest.mark.parametrize(
    "frame",
    [
        b"not json",
        b'{"channel":"orderUpdates","data":{"not":"a list"}}',
        b'{"channel":"userFills","data":{"fills":[{"coin":"BTC"}]}}',
        json.dumps({"channel": "userFills", "data": {"fills": [FILL | {"sz": "1e5"}]}}).encode(),
    ],
)
def test_account_frame_that_cannot_be_read_opens_a_gap(frame: bytes) -> None:
    case = AccountCase()
    case.stream.received(frame, 1)
    (message,) = case.reader.drain()
    assert message.gap_opened.reason == "bad_frame"


def test_frames_of_channels_nobody_asked_for_are_ignored() -> None:
    case = AccountCase()
    assert case.tell("notification", {"notification": "text"}) == []
    case.stream.received(b'{"channel":"pong"}', 1)
    assert case.reader.drain() == []


def test_quote_is_exact_and_makes_the_feed_live() -> None:
    quote, feed = MarketCase().quote("64310.0", "64311.0")
    assert quote.bbo == pb.Bbo(
        bid=pb.Level(px_e8=6_431_000_000_000, sz_e8=125_000_000, orders=4),
        ask=pb.Level(px_e8=6_431_100_000_000, sz_e8=40_000_000, orders=2),
    )
    assert quote.trace.exchange_time_ms == NOW
    assert feed.feed.live


def test_empty_side_stays_unset() -> None:
    quote = MarketCase().tell(
        "bbo", {"coin": "BTC", "time": NOW, "bbo": [None, {"px": "0.0021", "sz": "100.0", "n": 1}]}
    )[0]
    assert not quote.bbo.HasField("bid")
    assert quote.bbo.ask.px_e8 == 210_000


def test_depth_is_a_whole_snapshot() -> None:
    level = {"px": "64310.0", "sz": "1.2503", "n": 4}
    book = MarketCase().tell("l2Book", {"coin": "BTC", "time": NOW, "levels": [[level], []], "fast": True})[0]
    assert [bid.sz_e8 for bid in book.book.bids] == [125_030_000]
    assert not book.book.asks


def test_crossed_quote_is_dropped_and_is_no_sign_of_life() -> None:
    assert MarketCase().quote("64311.0", "64310.0") == []


def test_older_quote_is_dropped() -> None:
    case = MarketCase()
    case.quote("64310.0", "64311.0", NOW)
    assert case.quote("64000.0", "64001.0", NOW - 1) == []
    assert len(case.quote("64000.0", "64001.0", NOW)) == 1


def test_trades_are_told_once_and_ours_are_marked() -> None:
    case = MarketCase()
    trade = {"coin": "BTC", "side": "A", "px": "64310.0", "sz": "0.015", "time": NOW, "hash": "0x", "tid": 1}
    theirs, ours = trade | {"users": ["0x1", "0x2"]}, trade | {"tid": 2, "users": ["0x1", ADDRESS]}
    (message,) = case.tell("trades", [theirs, ours])
    assert [(t.tid, t.own, t.aggressor) for t in message.trades.trades] == [
        (1, False, common.SIDE_SELL),
        (2, True, common.SIDE_SELL),
    ]
    assert case.tell("trades", [theirs, ours]) == []


def test_context_tolerates_float_noise() -> None:
    ctx = {
        "funding": "0.0000125",
        "openInterest": "27353.176820000001",
        "prevDayPx": "63900.0",
        "dayNtlVlm": "605822.2557999999",
        "premium": None,
        "oraclePx": "64320.0",
        "markPx": "64312.0",
        "midPx": None,
        "impactPxs": None,
        "dayBaseVlm": "23600.1",
    }
    (message,) = MarketCase().tell("activeAssetCtx", {"coin": "BTC", "ctx": ctx})
    assert message.context.mark_px_e8 == 6_431_200_000_000
    assert message.context.open_interest_e8 == 2_735_317_682_000
    assert message.context.funding_rate_e8 == 1_250


def test_bad_market_frame_is_dropped_and_the_next_is_read() -> None:
    case = MarketCase()
    case.stream.received(b'{"channel":"bbo","data":{"coin":"BTC"}}', 1)
    assert case.reader.drain() == []
    assert len(case.quote("64310.0", "64311.0")) == 2


def test_silent_market_is_not_live_and_a_silent_socket_is_dead() -> None:
    case = MarketCase()
    case.quote("1", "2")
    case.clock.advance_ms(3_000)
    case.quote("1", "2", coin="ETH")
    case.clock.advance_ms(2_500)
    assert case.stream.verdict() is None
    (silent,) = case.reader.drain()
    assert (silent.trace.market, silent.feed.live, silent.feed.reason) == ("BTC", False, "silent")
    case.clock.advance_ms(3_000)
    assert case.stream.verdict() == "silent"


def test_loss_tells_every_live_market_once() -> None:
    case = MarketCase()
    case.quote("1", "2")
    case.stream.lost("idle")
    case.stream.lost("connect_failed")
    (lost,) = case.reader.drain()
    assert (lost.trace.market, lost.feed.reason) == ("BTC", "idle")
