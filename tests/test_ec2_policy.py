"""The policy in etc/ lets the manager do what it does, and nothing more."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest
from botocore import xform_name
from botocore.session import Session

ROOT = Path(__file__).parent.parent
POLICY = ROOT / "etc" / "ec2" / "iam-policy.json"
ELSEWHERE = {"ec2:DescribeAccountAttributes"}
"""Called at endpoints that are not AWS, and so have no such policies."""
FREE = {"sts:GetCallerIdentity"}
"""Called by whom AWS lets in, whatever a policy says."""
PREFIXES = {"service-quotas": "servicequotas"}
ALIASES = {"sqs:DeleteMessageBatch": "sqs:DeleteMessage"}
"""Calls that are allowed under the name of another."""


def actions_called() -> set[str]:
    """Return every action that the source of the space calls, as IAM names it."""
    found = set()
    for path in (ROOT / "spaces" / "ec2").glob("*.py"):
        for service, method in methods_in(path):
            action = f"{PREFIXES.get(service, service)}:{methods_of(service)[method]}"
            found.add(ALIASES.get(action, action))
    return found


def methods_in(path: Path) -> Iterator[tuple[str, str]]:
    """Yield service and method of what looks like one: a name of the SDK, in quotes."""
    text = path.read_text(encoding="utf-8")
    words = [each.value for each in ast.walk(ast.parse(text)) if isinstance(each, ast.Constant)]
    for service in ("ec2", "ssm", "sqs", "sts", "service-quotas"):
        known = methods_of(service)
        for word in words:
            if isinstance(word, str) and word in known:
                yield service, word


@cache
def methods_of(service: str) -> Mapping[str, str]:
    """Return the operation behind each method of the SDK's client for a service."""
    names = Session().get_service_model(service).operation_names
    return {xform_name(each): each for each in names}


def actions_allowed() -> set[str]:
    """Return every action that the policy allows."""
    found: set[str] = set()
    for statement in json.loads(POLICY.read_text(encoding="utf-8"))["Statement"]:
        actions = statement["Action"]
        found |= {actions} if isinstance(actions, str) else set(actions)
    return found


def test_the_policy_allows_what_is_called_and_nothing_else() -> None:
    """By every name of an operation in the source."""
    assert actions_allowed() == actions_called() - ELSEWHERE - FREE
    assert len(actions_allowed()) > 15


@pytest.mark.parametrize("action", ["ec2:TerminateInstances", "ec2:DeleteVolume"])
def test_what_destroys_is_limited_to_what_is_ours(action: str) -> None:
    """By the tag that every machine of Vcycle's bears."""
    statements = json.loads(POLICY.read_text(encoding="utf-8"))["Statement"]
    found = [each for each in statements if action in each["Action"]]
    assert [each["Condition"] for each in found] == [
        {"StringLike": {"aws:ResourceTag/vcycle_installation": "?*"}}
    ]
