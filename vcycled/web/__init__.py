"""The web site that machines see: a process of its own that needs only the published tree."""

from vcycled.web.command import main

__all__ = ["main"]
