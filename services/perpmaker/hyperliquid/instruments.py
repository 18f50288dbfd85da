"""A market's trading rules, read from what the gateway tells of it."""

from __future__ import annotations

from perpmaker.hyperliquid.rules import InstrumentRules
from perpmaker.proto.gateway.v1 import gateway_pb2


def rules_of(instrument: gateway_pb2.Instrument) -> InstrumentRules:
    """Tick, lot and minimum value."""
    return InstrumentRules(
        market=instrument.market,
        asset_id=instrument.asset_id,
        sz_decimals=instrument.sz_decimals,
        max_leverage=instrument.max_leverage,
        min_notional_e8=instrument.min_notional_e8,
    )
