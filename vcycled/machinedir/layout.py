"""Where everything stands under /var/lib/vcycle (docs/reference/files.md). Paths only, no I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
_OUTPUT = re.compile(r"[A-Za-z0-9_+=,@:~-][A-Za-z0-9_+=,@:~.-]{0,254}")

OUTPUT_NAMES = "letters, digits and _ + = , @ : ~ . -, not beginning with a dot, at most 255"

MACHINEFEATURES = "machinefeatures"
JOBFEATURES = "jobfeatures"
JOBOUTPUTS = "joboutputs"
SHUTDOWN_MESSAGE = "shutdown_message"
TOKEN_HASH = "token_hash"  # noqa: S105 - the name of a file
X509DN = "https_x509dn"
USER_DATA = "user_data"
CONSOLE = "console_log"
USER_DATA_HASH = "user_data_hash"
STARTED = "started"
FETCHED = ".user_data_fetched"
"""In joboutputs, where the web process may write: when the user_data was first fetched."""


def is_name(text: str) -> bool:
    """Return whether `text` can name a space, machinetype or machine in the tree."""
    return _NAME.fullmatch(text) is not None


def is_output_name(text: str) -> bool:
    """Return whether a machine may have an output of this name; see `OUTPUT_NAMES`."""
    return _OUTPUT.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of the tree under `root`."""

    root: Path

    @property
    def spaces(self) -> Path:
        """Folder of all that is published, by space."""
        return self.root / "shared" / "spaces"

    @property
    def web_up(self) -> Path:
        """Folder in which each web process keeps its sign of life."""
        return self.root / "shared" / "web_up"

    @property
    def www(self) -> Path:
        """Folder of the files that the site publishes to its machines."""
        return self.root / "www"

    def current(self, space: str) -> Path:
        """Folder of the machines that are not gone."""
        return self._space(space) / "current"

    def drafts(self, space: str) -> Path:
        """Folder of trees that are being written; each is renamed into `current` when whole."""
        return self._space(space) / "new"

    def deleted(self, space: str) -> Path:
        """Folder of the machines that are gone, for cleanup_hours."""
        return self._space(space) / "deleted"

    def machine(self, space: str, machine: str) -> Path:
        """Folder of a machine that is not gone."""
        return self.current(space) / _checked(machine)

    def draft(self, space: str, machine: str) -> Path:
        """Folder in which the tree of a machine is being written."""
        return self.drafts(space) / _checked(machine)

    def outputs(self, space: str, machine: str) -> Path:
        """Folder into which a machine may write."""
        return self.machine(space, machine) / JOBOUTPUTS

    def outputs_text(self, space: str, machine: str) -> str:
        """Return `outputs` as text, at a thirtieth of the cost; for thousands in every cycle."""
        current = f"{self.root}/shared/spaces/{_checked(space)}/current"
        return f"{current}/{_checked(machine)}/{JOBOUTPUTS}"

    def heartbeat_list(self, space: str, machinetype: str) -> Path:
        """List of the machines of a machinetype that gave a sign of life."""
        return self._space(space) / "heartbeatlists" / _checked(machinetype)

    def last_abort(self, space: str, machinetype: str) -> Path:
        """File with the time of the last abort of a machinetype."""
        folder = self.root / "shared" / "last_abort_times" / _checked(space)
        return folder / _checked(machinetype)

    def machinetype(self, space: str, machinetype: str) -> Path:
        """Folder in which a site puts what a machinetype makes X.509 proxies from."""
        return self.root / "spaces" / _checked(space) / "machinetypes" / _checked(machinetype)

    def files(self, space: str, machinetype: str) -> Path:
        """Folder in which a site puts the files of a machinetype: templates, certificates."""
        return self.machinetype(space, machinetype) / "files"

    def _space(self, space: str) -> Path:
        return self.spaces / _checked(space)


def _checked(name: str) -> str:
    if not is_name(name):
        message = f"{name!r} cannot be the name of a file here"
        raise ValueError(message)
    return name
