"""Market data: the newest wins, nothing queues, no trade is lost within its bound."""

from __future__ import annotations

from perpmaker.gateway.market_hub import TRADE_LIMIT, MarketHub
from perpmaker.proto.common.v1 import common_pb2 as common
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb


def _bbo(market: str, px: int) -> pb.MarketDataServiceSubscribeResponse:
    return pb.MarketDataServiceSubscribeResponse(
        trace=common.Trace(market=market), bbo=pb.Bbo(bid=pb.Level(px_e8=px, sz_e8=1))
    )


def _context(market: str) -> pb.MarketDataServiceSubscribeResponse:
    return pb.MarketDataServiceSubscribeResponse(trace=common.Trace(market=market), context=pb.AssetContext())


def test_newest_quote_replaces_the_one_not_yet_read() -> None:
    hub = MarketHub()
    mailbox = hub.subscribe(["BTC"])
    hub.publish("bbo", _bbo("BTC", 1))
    hub.publish("bbo", _bbo("BTC", 2))
    (message,) = mailbox.drain()
    assert message.bbo.bid.px_e8 == 2


def test_messages_leave_in_sequence_though_kinds_overtake() -> None:
    hub = MarketHub()
    mailbox = hub.subscribe(["BTC"])
    hub.publish("bbo", _bbo("BTC", 1))
    hub.publish("context", _context("BTC"))
    hub.publish_trades(common.Trace(market="BTC"), [pb.Trade(tid=1)])
    hub.publish("bbo", _bbo("BTC", 2))
    sequence = [message.trace.sequence for message in mailbox.drain()]
    assert sequence == sorted(set(sequence))


def test_late_reader_begins_with_the_newest_state() -> None:
    hub = MarketHub()
    hub.publish("bbo", _bbo("BTC", 1))
    hub.publish("bbo", _bbo("ETH", 7))
    (message,) = hub.subscribe(["ETH"]).drain()
    assert message.bbo.bid.px_e8 == 7


def test_reader_sees_only_its_markets() -> None:
    hub = MarketHub()
    mailbox = hub.subscribe(["BTC"])
    hub.publish("bbo", _bbo("ETH", 7))
    hub.publish_trades(common.Trace(market="ETH"), [pb.Trade(tid=1)])
    assert mailbox.drain() == []
    assert not mailbox.wake.is_set()


def test_trades_are_collected_until_read_and_bounded() -> None:
    hub = MarketHub()
    mailbox = hub.subscribe(["BTC"])
    for tid in range(TRADE_LIMIT + 5):
        hub.publish_trades(common.Trace(market="BTC"), [pb.Trade(tid=tid)])
    (message,) = mailbox.drain()
    assert [trade.tid for trade in message.trades.trades] == list(range(5, TRADE_LIMIT + 5))


def test_reader_that_left_gets_nothing() -> None:
    hub = MarketHub()
    mailbox = hub.subscribe(["BTC"])
    hub.unsubscribe(mailbox)
    hub.publish("bbo", _bbo("BTC", 1))
    assert mailbox.drain() == []
