"""From a plan to what became of its orders: gate, sign, write, follow."""
