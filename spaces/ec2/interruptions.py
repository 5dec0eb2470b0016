"""What EC2 says it will do to spot machines: at two minutes' notice, or perhaps.

An interruption shows in the spot request of a machine. That it is likely soon (a rebalance
recommendation) EC2 tells only EventBridge, and the machine itself; so a queue that EventBridge
fills may be read too.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from vcycled.clock import Clock
from vcycled.errors import Refused, Unavailable
from vcycled.spaces.ec2.answers import Doc
from vcycled.spaces.ec2.api import Api

NOTICE_SECONDS = 120
"""From the word to the end."""
KEPT_SECONDS = 86_400
_AT_ONCE = 10
_MOST_READS = 20
"""How many messages a call gives, and how many calls a listing makes at most."""
_FILTERS = (
    {"Name": "state", "Values": ["active"]},
    {"Name": "status-code", "Values": ["marked-for-termination", "marked-for-stop"]},
)
_INTERRUPTION = "EC2 Spot Instance Interruption Warning"
_REBALANCE = "EC2 Instance Rebalance Recommendation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """What was said of one machine."""

    text: str
    ends_at: int | None
    told_at: int


class Interruptions:
    """What was said of machines, for a day."""

    def __init__(self, api: Api, queue: str | None, *, clock: Clock) -> None:
        self._api = api
        self._queue = queue
        self._clock = clock
        self._said: dict[str, Warned] = {}
        self.notice = ""
        """Why nothing new is heard, if a person must act."""

    def look(self, spot_ids: Collection[str]) -> Mapping[str, Warned]:
        """Return what was said of machines, by id; costs no call without spot machines.

        A listing is complete without it, so trouble with these calls is no trouble of the listing.
        """
        oldest = self._clock.now() - KEPT_SECONDS
        self._said = {key: each for key, each in self._said.items() if each.told_at > oldest}
        if spot_ids:
            self._hear()
        return self._said

    def _hear(self) -> None:
        self.notice = ""
        try:
            self._ask()
            if self._queue:
                self._read_queue(self._queue)
        except Refused as error:
            self.notice = f"interruptions of spot machines are not heard of: {error.detail}"
        except Unavailable:
            pass  # the next listing asks again

    def _ask(self) -> None:
        method = "describe_spot_instance_requests"
        for page in self._api.pages("machines", method, Filters=list(_FILTERS)):
            for each in page.docs("SpotInstanceRequests"):
                told_at = each.doc("Status").instant("UpdateTime")
                self._note(each.text("InstanceId"), _INTERRUPTION, told_at)

    def _read_queue(self, url: str) -> None:
        for _ in range(_MOST_READS):
            most = {"MaxNumberOfMessages": _AT_ONCE, "WaitTimeSeconds": 0}
            answer = self._api.ask("machines", "sqs", "receive_message", QueueUrl=url, **most)
            messages = answer.docs("Messages")
            if not messages:
                return
            for each in messages:
                self._read(each.text("Body"))
            self._drop(url, messages)

    def _drop(self, url: str, messages: Collection[Doc]) -> None:
        """Delete messages from the queue once they are kept here."""
        entries = [
            {"Id": str(number), "ReceiptHandle": each.text("ReceiptHandle")}
            for number, each in enumerate(messages)
        ]
        method = "delete_message_batch"
        self._api.ask("machines", "sqs", method, QueueUrl=url, Entries=entries)

    def _read(self, body: str) -> None:
        """Note what an event says; one that is something else is passed over."""
        try:
            event = json.loads(body)
            kind, told_at = event["detail-type"], datetime.fromisoformat(event["time"])
            self._note(str(event["detail"]["instance-id"]), str(kind), int(told_at.timestamp()))
        except (KeyError, TypeError, ValueError):
            return

    def _note(self, instance_id: str, kind: str, told_at: int | None) -> None:
        now = self._clock.now()
        told_at = now if told_at is None else min(told_at, now)
        known = self._said.get(instance_id)
        if kind == _INTERRUPTION and (known is None or known.ends_at is None):
            self._said[instance_id] = Warned(
                text="EC2 interrupts the spot machine",
                ends_at=told_at + NOTICE_SECONDS,
                told_at=told_at,
            )
        elif kind == _REBALANCE and known is None:
            self._said[instance_id] = Warned(
                text="EC2 may interrupt the spot machine soon", ends_at=None, told_at=told_at
            )
