"""The simulator as a process of its own.

    python -m tests.fakes.openstack [--port 0] [--servers 5000] [--latency 1.0] …

Prints `ready URL` when it answers; identity is at URL/identity, control at URL/control/. User
`vcycle` with password `secret` in project `grid`, image `worker`. Ends when its input ends, so
that it never outlives who started it.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from dataclasses import replace

from tests.fakes.openstack.cloud import OpenStackCloud
from tests.fakes.openstack.control import Controlled, waiting
from tests.fakes.openstack.server import serving
from tests.fakes.openstack.settings import Quota, Settings
from vcycled.clock import Clock, SystemClock
from vcycled.testing.clock import FastClock


def main() -> None:
    """Serve until standard input ends."""
    parser = ArgumentParser(prog="python -m tests.fakes.openstack")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument(
        "--servers", type=int, default=0, help="foreign ones, there from the start"
    )
    parser.add_argument("--latency", type=float, default=0.0, help="seconds of every call")
    parser.add_argument("--start-seconds", type=int, default=0, help="from POST to ACTIVE")
    parser.add_argument("--delete-seconds", type=int, default=0, help="from DELETE to gone")
    parser.add_argument("--max-limit", type=int, default=1000, help="most servers of a page")
    parser.add_argument("--max-microversion", default="2.96")
    parser.add_argument("--instances", type=int, default=-1, help="quota")
    parser.add_argument("--cores", type=int, default=-1, help="quota")
    parser.add_argument("--speed", type=float, default=1.0, help="of its clock")
    parser.add_argument("--origin", type=float, default=None, help="when that clock was right")
    options = parser.parse_args()
    clock: Clock = SystemClock()
    if options.speed != 1.0:
        origin = clock.now() if options.origin is None else options.origin
        clock = FastClock(origin, options.speed)
    settings = Settings(
        start_seconds=options.start_seconds,
        delete_seconds=options.delete_seconds,
        max_limit=options.max_limit,
        max_microversion=options.max_microversion,
        quota=replace(Quota(), instances=options.instances, cores=options.cores),
    )
    cloud = OpenStackCloud(clock, settings)
    for number in range(options.servers):
        cloud.add_foreign(f"foreign-{number:05}")
    if options.latency:
        cloud.latency = waiting(options.latency)
    with serving(Controlled(cloud), port=options.port) as url:
        sys.stdout.write(f"ready {url}\n")
        sys.stdout.flush()
        sys.stdin.read()
        cloud.script.release()


if __name__ == "__main__":
    main()
