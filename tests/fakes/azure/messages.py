"""Errors in the form of Resource Manager."""

from __future__ import annotations

import json
from collections.abc import Mapping

from tests.fakes.openstack.faults import Fault
from tests.fakes.openstack.messages import Reply, as_json


class Rejected(Exception):
    """Azure says no."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status = status
        self.code = code
        self.message = message
        super().__init__(f"{status} {code}: {message}")

    def reply(self) -> Reply:
        """Return it as Resource Manager puts it."""
        return as_json(_body(self.code, self.message), self.status)


def answer(
    status: int, code: str = "", message: str = "", *, retry_after_s: int | None = None
) -> Fault:
    """Return a fault that answers with this status and a body as Resource Manager sends it."""
    headers: dict[str, str] = {"Content-Type": "application/json"}
    if retry_after_s is not None:
        headers["Retry-After"] = str(retry_after_s)
    body = json.dumps(_body(code, message)) if code else ""
    return Fault(status=status, body=body, headers=headers)


def _body(code: str, message: str) -> Mapping[str, object]:
    return {"error": {"code": code, "message": message}}
