"""Vcycle: keeps virtual machines for grid communities on clouds, and accounts for each of them."""

__version__ = "4.0.0"
