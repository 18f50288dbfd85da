"""The quoter of one market: a pure core from views to plans, and a thin shell of streams around it."""
