"""Recorded books and trades as the house side of a market, and the recorder that writes them."""
