"""The manager's process: spaces side by side, configuration, signals, one copy at a time."""

from vcycled.daemon.main import main

__all__ = ["main"]
