"""Every kind of fault of a history on simulated time."""

from __future__ import annotations

import errno
import os
import threading
from dataclasses import replace

from tests.fakes.openstack import ANY, LOST, RESET, Quota, answer
from tests.fakes.openstack.faults import Fault as CallFault
from tests.faults.guests import BEATING
from tests.faults.history import Fault, History, Undo
from tests.faults.site import CALL_S, LIMIT, NEVER
from tests.world import SPACE
from vcycled.errors import StoreError
from vcycled.model import Drain, Order, OrderKind

CALLS = ("connect", "limits", "machines", "machines", "create", "create", "delete", "find")
STATUSES = (401, 403, 409, 413, 429, 429, 500, 502, 503, 504)
WRITES = (
    *("prepare", "repair", "note", "publish", "publish_dn", "wipe_user_data", "wipe_if_over"),
    *("keep_console", "leave_message", "retire", "remove_retired", "write_heartbeat_list"),
    *("write_last_abort", "make_ready"),
)
"""What of the tree needs room or the right to write."""


# The cloud.


def answers_with_an_error(history: History) -> None:
    """Some calls are answered with an error, and with how long to wait, perhaps."""
    rng = history.rng
    operation, status = rng.choice(CALLS), rng.choice(STATUSES)
    wait = rng.choice([None, 5, 120]) if status in (429, 503) else None
    fault = answer(status, "it does not work now", retry_after_s=wait)
    history.say(f"{operation} -> {status}")
    history.site.cloud.fail_next(operation, *[fault] * rng.randint(1, 4))


def resets_calls(history: History) -> None:
    """Some connections are reset before anything is done."""
    rng = history.rng
    history.site.cloud.fail_next(rng.choice(CALLS), *[RESET] * rng.randint(1, 4))


def loses_replies(history: History) -> None:
    """Some creations and deletions are done, and nobody hears of it."""
    rng = history.rng
    history.site.cloud.fail_next(rng.choice(["create", "delete"]), *[LOST] * rng.randint(1, 3))


def cuts_answers(history: History) -> None:
    """Some answers end in the middle, or are the page of some proxy."""
    rng = history.rng
    page = CallFault(status=200, body="<html>Please log in</html>")
    cut = CallFault(cut=rng.choice([0, 1, 20, 200]))
    history.site.cloud.fail_next(rng.choice(CALLS), *[rng.choice([page, cut])] * 2)


def hangs(history: History) -> Undo:
    """A kind of call does not return in time; it is done when nobody waits any more."""
    site = history.site
    operation = history.rng.choice(CALLS)
    gate = threading.Event()

    def wait(called: str) -> None:
        if called == operation and not gate.is_set():
            site.clock.advance(CALL_S + 1)  # so that whoever waits loses patience
            gate.wait()

    def let_go() -> None:
        site.cloud.latency = lambda _operation: None
        gate.set()
        site.wait_for_calls()  # or else chance would decide what comes first

    history.say(f"{operation} hangs")
    site.cloud.latency = wait
    history.late_s = max(history.late_s, 6 * 600 + CALL_S)
    return let_go


def is_down(history: History) -> Undo:
    """The network to the cloud is cut."""
    script = history.site.cloud.script
    script.set_always(ANY, RESET)
    return lambda: script.set_always(ANY, None)


def fails_now_and_then(history: History) -> Undo:
    """A third of all calls fail."""
    script = history.site.cloud.script
    fault = history.rng.choice([RESET, answer(500), answer(503), answer(429, retry_after_s=30)])
    script.set_always(ANY, fault, 1 / 3, seed=history.rng.randrange(10**6))
    return lambda: script.set_always(ANY, None)


def omits_machines(history: History) -> Undo:
    """Listings leave machines out that are there."""
    listing = history.site.cloud.listing
    names = [each.name for each in history.site.here]
    listing.omitted = {name for name in names if history.rng.random() < 0.6}
    return listing.omitted.clear


def lists_late(history: History) -> Undo:
    """Listings show machines only some time after they were made."""
    listing = history.site.cloud.listing
    listing.lag_seconds = history.rng.choice([60, 120, 600])

    def catch_up() -> None:
        listing.lag_seconds = 0

    return catch_up


def revokes_tokens(history: History) -> None:
    """Keystone forgets all tokens."""
    history.site.cloud.revoke_tokens()


def lowers_quota(history: History) -> Undo:
    """The project's quota is cut."""
    settings = history.site.cloud.settings
    settings.quota = replace(Quota(), cores=history.rng.randint(0, LIMIT - 1))

    def restore() -> None:
        settings.quota = Quota()

    return restore


def has_no_room(history: History) -> Undo:
    """The cloud finds no host: servers end in error at once."""
    settings = history.site.cloud.settings
    settings.no_room = frozenset({"small"})

    def restore() -> None:
        settings.no_room = frozenset()

    return restore


def deletes_slowly(history: History) -> Undo:
    """Deletions take long, or do not end before somebody helps."""
    site = history.site
    site.cloud.settings.delete_seconds = history.rng.choice([30, 400, 3000, None])

    def restore() -> None:
        site.cloud.settings.delete_seconds = 0
        for each in site.here:
            if each.task_state == "deleting":
                site.cloud.vanish(each.name)

    return restore


def doubts(history: History) -> Undo | None:
    """The cloud loses sight of a machine's state for a while."""
    running = [each for each in history.site.here if each.status == "ACTIVE"]
    if not running:
        return None
    server = history.rng.choice(running)
    history.site.cloud.change(server.name, status="UNKNOWN")

    def find_again() -> None:
        if server.status == "UNKNOWN":
            history.site.cloud.change(server.name, status="ACTIVE")

    return find_again


# The manager and its host.


def dies(history: History) -> None:
    """The manager is killed (as by kill -9) at some step of this cycle or of one to come."""
    history.site.fuse.left = history.rng.randint(1, 60)


def restarts(history: History) -> None:
    """The manager is started anew between cycles."""
    history.restart()


def jumps(history: History) -> Undo:
    """The clock is set wrong, by minutes or days, and right again within the promised time.

    See `history.HASTY`.
    """
    return _set_clock(
        history, history.rng.choice([-86_400, -4000, -300, -61, 61, 300, 4000, 86_400])
    )


def runs_behind(history: History) -> Undo:
    """The clock is behind for as long as it pleases, until it is set right."""
    return _set_clock(history, -history.rng.choice([90, 4000, 86_400, 10 * 86_400]))


def _set_clock(history: History, seconds: int) -> Undo:
    def set_by(more: int) -> None:
        history.site.clock.jump(more)
        history.site.fuse.left = NEVER
        history.is_clock_news = True

    set_by(seconds)
    return lambda: set_by(-seconds)


def locks_database(history: History) -> Undo:
    """Another process holds the database's lock for writing."""
    return history.site.lock_database().close


def breaks_database(history: History) -> Undo:
    """The database fails from some call on."""
    outage = history.site.store_outage
    outage.begin(lambda: StoreError("disk I/O error"), after=history.rng.randint(0, 12))
    return outage.end


def loses_database(history: History) -> None:
    """The database is lost, and a new manager starts without one.

    What the cloud neither shows nor has been asked for is known to nobody then, so the cloud is
    well at that time.
    """
    history.heal(lambda kind: kind.startswith(("cloud", "clock")))
    history.site.cloud.script.clear()
    history.guests.live()
    history.site.lose_database()


def fills_disk(history: History) -> Undo:
    """No space left: for the tree, the queue, and the database from some call on."""
    site, rng = history.site, history.rng

    def full() -> OSError:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    site.tree_outage.begin(full, after=rng.randint(0, 10), names=WRITES)
    site.queue_outage.begin(full)
    if rng.random() < 0.5:
        site.store_outage.begin(
            lambda: StoreError("database or disk is full"),
            after=rng.randint(0, 4),
            names=("save", "save_report", "mark_exported", "order"),
        )

    def free() -> None:
        for outage in (site.tree_outage, site.queue_outage, site.store_outage):
            outage.end()

    return free


def makes_tree_read_only(history: History) -> Undo:
    """The published tree cannot be written."""

    def read_only() -> OSError:
        return OSError(errno.EROFS, os.strerror(errno.EROFS))

    outage = history.site.tree_outage
    outage.begin(read_only, names=WRITES)
    return outage.end


def stops_the_web(history: History) -> Undo:
    """Nothing that machines send is received: no heartbeats, no messages."""
    history.guests.web_down()
    return history.guests.web_up


# The configuration.


def breaks_configuration(history: History) -> Undo:
    """An edit goes wrong: not a file of this kind, wrong values, sections gone, all gone."""
    site = history.site
    text = site.good_text
    beating = text.index(f"[machinetype {SPACE} {BEATING}]")
    broken = history.rng.choice(
        [
            "[[[ not this file\n= =",
            text.replace("processors_limit = 14", "processors_limit = many"),
            text.replace("fizzle_seconds = 100", "fizzle_seconds = -1"),
            text.replace("user_data = template", "user_data = gone"),
            text.replace("url = http", "ur = http"),
            text[:beating],
            text[: text.index("[space")],
            "",
        ]
    )
    site.configure(broken)
    return lambda: site.configure(site.good_text)


def observes(history: History) -> Undo:
    """Somebody sets mode = observe for a while."""
    site = history.site
    site.configure(site.good_text.replace("api = openstack", "api = openstack\nmode = observe"))
    return lambda: site.configure(site.good_text)


def changes_limit(history: History) -> None:
    """The limit of the space is changed for good."""
    site = history.site
    limit = history.rng.choice([LIMIT // 2, LIMIT, LIMIT + 4])
    site.good_text = site.text(limit=limit)
    site.configure(site.good_text)
    history.limits.append((site.true.now(), limit))


# Operators.


def orders_deletion(history: History) -> None:
    """Somebody wants a machine gone."""
    site = history.site
    if names := [each.name for each in site.machines]:
        name = history.rng.choice(names)
        at = site.clock.now()
        order = Order(kind=OrderKind.DELETE, space=SPACE, at=at, who="alice", machine=name)
        site.store.order(order)
        history.ordered.setdefault(name, site.true.now())


def drains(history: History) -> Undo:
    """The space or a machinetype is drained, perhaps by a time, and later not any more."""
    site, rng = history.site, history.rng
    machinetype = rng.choice(["", "prod", BEATING])
    now = site.true.now()
    by = rng.choice([None, now + 600, now + 1200])
    if site.offset:
        by = None  # whoever said it would have read it from a wrong clock
    usual = Order(
        kind=OrderKind.DRAIN, space=SPACE, at=site.clock.now(), who="bob", machinetype=machinetype
    )
    site.store.order(replace(usual, by=by))
    history.drains.append(Drain(space=SPACE, machinetype=machinetype, since=now, by=by))

    def undrain() -> None:
        site.store.order(replace(usual, kind=OrderKind.UNDRAIN, at=site.clock.now()))

    return undrain


FAULTS: dict[str, Fault] = {
    "cloud answers with an error": answers_with_an_error,
    "cloud resets connections": resets_calls,
    "cloud loses replies": loses_replies,
    "cloud sends half an answer": cuts_answers,
    "cloud hangs": hangs,
    "cloud cannot be reached": is_down,
    "cloud fails now and then": fails_now_and_then,
    "cloud omits machines": omits_machines,
    "cloud lists late": lists_late,
    "cloud revokes tokens": revokes_tokens,
    "cloud lowers the quota": lowers_quota,
    "cloud has no room": has_no_room,
    "cloud deletes slowly": deletes_slowly,
    "cloud loses sight of a state": doubts,
    "manager killed at a step": dies,
    "manager restarted": restarts,
    "clock jumps": jumps,
    "clock is behind": runs_behind,
    "database locked": locks_database,
    "database fails": breaks_database,
    "database lost": loses_database,
    "disk full": fills_disk,
    "tree read-only": makes_tree_read_only,
    "web site down": stops_the_web,
    "configuration broken": breaks_configuration,
    "mode set to observe": observes,
    "limit changed": changes_limit,
    "deletion ordered": orders_deletion,
    "drained and undrained": drains,
}
