"""The SDK's client of one subscription, logged in."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from azure.core.pipeline.policies import ContentDecodePolicy, HeadersPolicy, UserAgentPolicy
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.core.policies import ARMChallengeAuthenticationPolicy

from vcycled import __version__
from vcycled.spaces.azure.credentials import Credential
from vcycled.spaces.azure.environments import environment_of
from vcycled.spaces.azure.models import complete_models

if TYPE_CHECKING:
    from vcycled.spaces.azure.options import AzureOptions
    from vcycled.spaces.azure.wire import Wire

_TALKATIVE = ("azure", "msal")
"""Loggers of the SDK. They tell of each request and each token, and what goes wrong in several
lines; all of that is raised too, and told by us in one."""


class Connection:
    """A login and the client that uses it.

    The client's own chain would repeat calls, follow redirections and wait while it registers
    resource providers; ours does none of that.
    """

    def __init__(self, options: AzureOptions, wire: Wire) -> None:
        for name in _TALKATIVE:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        complete_models()
        environment = environment_of(options)
        self._scope = environment.scope
        self._credential = Credential(options, environment, wire)
        policies = [
            HeadersPolicy(),
            UserAgentPolicy(f"vcycle/{__version__}"),
            ContentDecodePolicy(),
            ARMChallengeAuthenticationPolicy(self._credential, self._scope),
        ]
        self.client = ComputeManagementClient(
            self._credential,
            options.subscription,
            base_url=environment.url,
            credential_scopes=[self._scope],
            policies=policies,
            transport=wire.transport,
        )

    def log_in(self) -> None:
        """Get a token, unless there is one that holds.

        Raises:
            SpaceError: there is none to be had.
        """
        self._credential.get_token(self._scope)
