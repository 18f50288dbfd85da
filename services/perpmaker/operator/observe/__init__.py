"""What the services of an account and of a quoter say of themselves, as values; unreachable is a value, too."""
