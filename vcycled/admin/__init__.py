"""The admin site: pages, API, health and metrics, in a process of its own.

catalogue   every metric: name, kind, labels, help
facts       what a scrape is made from, read afresh each time
measure     facts as samples of those metrics. Pure
health      what keeps an installation from being ready. Pure
door        who may do what. Pure
keys        tokens and names that open the door, from their files
doorkeeper  the door as aiohttp's middlewares
answers     headers of every answer, and what is said of what is not done
readings    reading for requests, so many at once and no longer than so
api_routes  every path of the API; api_input reads requests, api answers them
schemas     of its documents; openapi describes it all. Pure
pages       for people
site        the HTTP server
"""

from vcycled.admin.command import main

__all__ = ["main"]
