"""Decisions about orders as functions from values to values: no I/O, no clock, no logging."""
