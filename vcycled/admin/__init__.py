"""The admin site: health and metrics, in a process of its own that only reads.

catalogue   every metric: name, kind, labels, help
facts       what a scrape is made from, read afresh each time
measure     facts as samples of those metrics. Pure
health      what keeps an installation from being ready. Pure
site        the HTTP server
"""

from vcycled.admin.command import main

__all__ = ["main"]
