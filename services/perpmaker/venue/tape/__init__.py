"""What the market did: candles, funding rates and the last day's volume, kept from committed blocks."""
