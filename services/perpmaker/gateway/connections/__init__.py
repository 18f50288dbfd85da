"""Sockets and requests to the exchange: what leaves, what arrives, and what happens when neither does."""
