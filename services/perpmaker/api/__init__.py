"""The two kinds a user writes, TradingAccount and MarketMaker, and the parts of them that each service is handed."""
