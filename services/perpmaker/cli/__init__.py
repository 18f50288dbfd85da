"""The `perpmaker` command."""
