"""The pure exchange: exact integers, no sockets, no clock, deterministic."""
