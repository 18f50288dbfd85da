"""Markets of a gateway: what is served, what is still cancelled, and a market data stream without any."""

from __future__ import annotations

from perpmaker.api.parts import LeveragePart
from perpmaker.common.clock import ManualClock
from perpmaker.gateway.connections.market_data import MarketDataStream
from perpmaker.gateway.market_hub import MarketHub
from perpmaker.gateway.markets import Markets
from perpmaker.gateway.reconfigure import changed_leverage, excessive_leverage
from perpmaker.hyperliquid.rules import InstrumentRules


def _rules(market: str) -> InstrumentRules:
    return InstrumentRules(market=market, asset_id=7, sz_decimals=5, max_leverage=25)


def test_nothing_is_served_before_its_rules_are_known() -> None:
    markets = Markets(("BTC",))
    assert not markets.is_loaded
    assert markets.rules_of("BTC") is None
    assert markets.rules == ()


def test_a_market_let_go_takes_cancels_only() -> None:
    markets = Markets(("BTC", "ETH"))
    markets.serve(("BTC", "ETH"), {"BTC": _rules("BTC"), "ETH": _rules("ETH")})
    markets.serve(("BTC",), {})
    assert markets.rules_of("ETH") is None
    assert markets.rules_for_cancels("ETH") == _rules("ETH")
    assert [rules.market for rules in markets.rules] == ["BTC"]
    assert "ETH" not in markets


def test_a_dex_is_watched_from_its_first_market_on_and_ever_after() -> None:
    markets = Markets(("BTC",))
    markets.serve(("BTC", "xyz:GOLD"), {"BTC": _rules("BTC"), "xyz:GOLD": _rules("xyz:GOLD")})
    markets.serve(("BTC",), {})
    assert markets.dexes == ("", "xyz")


def test_only_new_and_different_leverage_is_set() -> None:
    btc, eth = LeveragePart(market="BTC", value=5), LeveragePart(market="ETH", value=5)
    raised = LeveragePart(market="BTC", value=6)
    assert changed_leverage((btc, eth), (raised, eth)) == (raised,)
    assert changed_leverage((btc,), (btc, eth)) == (eth,)
    assert changed_leverage((btc, eth), ()) == ()


def test_leverage_up_to_the_limit_of_the_exchange_is_not_excessive() -> None:
    assert excessive_leverage(LeveragePart(market="BTC", value=25), _rules("BTC")) is None
    assert "limit of 25" in (excessive_leverage(LeveragePart(market="BTC", value=26), _rules("BTC")) or "")


def _stream(clock: ManualClock, *markets: str) -> MarketDataStream:
    return MarketDataStream(markets, "0xab", MarketHub(), clock, 5.0, lambda: None)


def test_a_stream_without_markets_is_never_silent() -> None:
    clock = ManualClock()
    stream = _stream(clock)
    clock.advance_ms(60_000)
    assert stream.verdict() is None


async def test_a_market_added_late_is_given_its_time_before_it_counts_as_silent() -> None:
    clock = ManualClock()
    stream = _stream(clock)
    clock.advance_ms(60_000)
    await stream.follow(("BTC",))
    clock.advance_ms(4_000)
    assert stream.verdict() is None
    clock.advance_ms(2_000)
    assert stream.verdict() == "silent"
