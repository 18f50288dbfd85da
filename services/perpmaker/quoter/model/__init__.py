"""The quoting model, the only place with floats: volatility, fair price, fill intensity, half-spread,
skew."""
