"""The admin site's pages for people: made by the server, with a stylesheet and a little script.

visit           what was asked for: the query of a request, read
parts           what pages are made of: tables, facts, marked sentences. Pure
links           where everything stands. Pure
day             the last day of machines, hour by hour. Pure
chart           that as shapes of an SVG. Pure
overview, space, machinetype, machines, machine, events, accounting, configuration, managers
                one page each: what is read for it, and how it is told
sheet           accounting as CSV. Pure
render          templates, with all text cleaned and escaped
routes          the pages over HTTP

A page is a function of a session and a visit. It takes facts and sentences from vcycled.cli, so
that page and command say the same in the same words.
"""

from vcycled.admin.pages.routes import routes

__all__ = ["routes"]
