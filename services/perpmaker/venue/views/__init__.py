"""What the venue answers and pushes: pure functions from its state to JSON-ready values."""
