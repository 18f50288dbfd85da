"""What happened to a venue, written down so that it can happen again."""
