"""Clouds of our own for tests, at the level of their protocol."""
