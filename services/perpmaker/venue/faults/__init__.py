"""Misbehaviour on command: named switches, what is armed now, and when a schedule throws them."""
