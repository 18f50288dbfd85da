"""The operator: TradingAccount and MarketMaker objects become running services, and what those say becomes status.

Never in the trading path: every service goes on without it. It reads no Secret and never talks to the exchange.
"""
