"""The gateway of one account: the only holder of the key, the only speaker to the exchange."""
