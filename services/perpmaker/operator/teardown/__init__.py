"""The orderly end of a MarketMaker: which step follows from what is seen, as a table."""
