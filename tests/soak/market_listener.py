"""One reader of the market hub: every trade, and best prices that are those of the exchange's book at their time."""

from __future__ import annotations

from tests.soak.findings import Findings
from tests.soak.ledger import Ledger
from tests.soak.witness import Top, Witness

from perpmaker.gateway.market_hub import MarketHub
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb


class MarketListener:
    """Listens from its making on; `listen` takes what came."""

    def __init__(
        self, hub: MarketHub, markets: tuple[str, ...], ledgers: dict[str, Ledger], witness: Witness, findings: Findings
    ) -> None:
        """`ledgers` has one for each market: each feed has holes of its own."""
        self._mailbox = hub.subscribe(markets)
        self._ledgers = ledgers
        self._witness = witness
        self._findings = findings
        self.tops: dict[str, Top] = {}
        """Newest best prices of each market."""
        self.live: dict[str, bool] = {}

    async def listen(self) -> None:
        """Take messages until cancelled."""
        while True:
            await self._mailbox.wake.wait()
            for message in self._mailbox.drain():
                self._take(message)

    def _take(self, message: pb.MarketDataServiceSubscribeResponse) -> None:
        kind, market = message.WhichOneof("event"), message.trace.market
        self._findings.count(f"market {kind}")
        match kind:
            case "feed":
                self._take_feed(market, message.feed)
            case "trades":
                for trade in message.trades.trades:
                    key = (market, trade.tid, trade.exchange_time_ms)
                    self._ledgers[market].heard("trades", key, trade.exchange_time_ms)
            case "bbo":
                self.tops[market] = _top_of(message.bbo)
                self._compare("bbo", message, self.tops[market])
            case "book":
                sides = (message.book.bids, message.book.asks)
                bid, ask = ((side[0].px_e8, side[0].sz_e8) if side else None for side in sides)
                self._compare("l2Book", message, (bid, ask))

    def _take_feed(self, market: str, feed: pb.FeedStatus) -> None:
        ledger = self._ledgers[market]
        self.live[market] = feed.live
        self._findings.count(f"feed {'live' if feed.live else feed.reason}")
        if feed.live:
            ledger.close_holes(ledger.now_ms())
        else:
            ledger.open_hole()

    def _compare(self, channel: str, message: pb.MarketDataServiceSubscribeResponse, told: Top) -> None:
        trace = message.trace
        true = self._witness.top_at(trace.market, trace.exchange_time_ms)
        if true is None:
            self._findings.count(f"too old to compare {channel}")
        elif true != told:
            self._findings.violate(
                "books are those of the exchange",
                f"{channel} {trace.market} of {trace.exchange_time_ms} says {told}, the exchange had {true}",
            )
        else:
            self._findings.count(f"compared {channel}")


def _top_of(bbo: pb.Bbo) -> Top:
    bid = (bbo.bid.px_e8, bbo.bid.sz_e8) if bbo.HasField("bid") else None
    ask = (bbo.ask.px_e8, bbo.ask.sz_e8) if bbo.HasField("ask") else None
    return bid, ask
