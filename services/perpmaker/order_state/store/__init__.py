"""What survives a crash: the live orders, their journal, the fill ledger and the session epochs, in Redis."""
