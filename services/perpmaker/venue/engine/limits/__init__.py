"""What an address and a network address may ask of the exchange, and how fast."""
