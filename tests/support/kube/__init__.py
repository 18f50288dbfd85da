"""An API server in this process, and what tests need to talk to it or to a real one in the same words."""
