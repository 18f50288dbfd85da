"""Exchange JSON to contract messages, exact to the eighth decimal and pure."""
