"""Risk of one account: permissions per market, monitors, the kill latch and the day's P&L. Never places an order."""
