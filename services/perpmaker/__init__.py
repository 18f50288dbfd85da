"""perpmaker: a market maker for Hyperliquid perpetuals that treats an unknown order as alive."""

__version__ = "0.1.0"
