"""`perpmaker.io/v1alpha1`: TradingAccount and MarketMaker as immutable, strictly typed values."""

from perpmaker.api.v1alpha1.base import API_VERSION, GROUP, VERSION, Amount, SignedAmount
from perpmaker.api.v1alpha1.marketmaker import MarketMaker, MarketMakerSpec
from perpmaker.api.v1alpha1.tradingaccount import TradingAccount, TradingAccountSpec
from perpmaker.hyperliquid.networks import Network

__all__ = [
    "API_VERSION",
    "GROUP",
    "VERSION",
    "Amount",
    "MarketMaker",
    "MarketMakerSpec",
    "Network",
    "SignedAmount",
    "TradingAccount",
    "TradingAccountSpec",
]
