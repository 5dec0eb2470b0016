"""The command line, `vcycle`, and the live view of a terminal."""

from vcycled.cli.root import main

__all__ = ["main"]
