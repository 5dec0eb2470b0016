"""Calls about instances that there are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from vcycled.spaces.ec2.answers import Doc
from vcycled.spaces.ec2.api import Api
from vcycled.spaces.ec2.listing import NAME
from vcycled.spaces.ec2.rejections import Missing, Unsupported

CONSOLE_LINES = 200


class Instances:
    """The instances of an account in a region."""

    def __init__(self, api: Api, page_size: int) -> None:
        self._api = api
        self._page_size = page_size

    def listed(self) -> Iterator[Doc]:
        """Yield every instance, page by page, terminated ones too."""
        size = self._page_size
        for page in self._api.pages("machines", "describe_instances", MaxResults=size):
            yield from _instances(page)

    def shown(self, operation: str, instance_id: str) -> Doc | None:
        """Return the instance with this id; None if EC2 knows none."""
        try:
            page = self._api.call(operation, "describe_instances", InstanceIds=[instance_id])
        except Missing:
            return None
        return next(_instances(page), None)

    def named(self, operation: str, name: str) -> list[Doc]:
        """Return every instance of a name, terminated ones too."""
        return self._filtered(operation, f"tag:{NAME}", name)

    def of_token(self, operation: str, token: str) -> list[Doc]:
        """Return the instances that were asked for with a client token."""
        return self._filtered(operation, "client-token", token)

    def _filtered(self, operation: str, key: str, value: str) -> list[Doc]:
        filters = [{"Name": key, "Values": [_literal(value)]}]
        pages = self._api.pages(operation, "describe_instances", Filters=filters)
        return [each for page in pages for each in _instances(page)]

    def terminate(self, instance_id: str) -> None:
        """Ask for the end of an instance.

        Raises:
            Missing: EC2 knows none with this id.
        """
        self._api.call("delete", "terminate_instances", InstanceIds=[instance_id])

    def tag(self, operation: str, instance_id: str, tags: list[dict[str, str]]) -> None:
        """Set tags of an instance."""
        self._api.call(operation, "create_tags", Resources=[instance_id], Tags=tags)

    def console(self, instance_id: str) -> str:
        """Return the last lines of an instance's console; "" if there are none."""
        with suppress(Missing, Unsupported):
            answer = self._api.call("console", "get_console_output", InstanceId=instance_id)
            return "\n".join(answer.text("Output").splitlines()[-CONSOLE_LINES:])
        return ""


def _instances(page: Doc) -> Iterator[Doc]:
    for reservation in page.docs("Reservations"):
        yield from reservation.docs("Instances")


def _literal(value: str) -> str:
    """Return `value` without a meaning to a filter, where * and ? are wildcards."""
    return value.replace("\\", "\\\\").replace("*", "\\*").replace("?", "\\?")
