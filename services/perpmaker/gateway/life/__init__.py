"""The life of a gateway: what it consists of, how it starts, what it keeps up, when it is ready, how it leaves."""
