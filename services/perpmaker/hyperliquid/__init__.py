"""Protocol facts of the exchange: wire types, price and size rules, status and error vocabulary. No I/O, no keys."""
