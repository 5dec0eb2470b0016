"""The SDK's models of what Azure answers, made ready for threads."""

from __future__ import annotations

import threading
from collections.abc import MutableMapping

from azure.mgmt.compute import models

_ONE_AT_A_TIME = threading.Lock()


def complete_models() -> None:
    """Let each model work out its fields now, as none does so safely where threads use it first.

    Two threads at once can break a request that is being built, and an answer is silently left as
    the JSON that it was. See https://github.com/Azure/azure-sdk-for-python/issues/47426; once the
    models are complete, a call costs next to nothing.
    """
    with _ONE_AT_A_TIME:
        for each in vars(models).values():
            if isinstance(each, type) and issubclass(each, MutableMapping):
                each.__new__(each)
