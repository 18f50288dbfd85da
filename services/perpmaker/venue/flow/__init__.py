"""The other participants: a fair price that wanders, makers who follow it, takers who cross the touch."""
