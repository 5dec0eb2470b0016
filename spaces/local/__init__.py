"""The embedded default: a machine is a process group of this host that runs the user_data.

It needs no cloud and no privilege, behaves as a cloud in every state, and is the reference of the
contract. See docs/spaces/local.md.
"""

from vcycled.spaces.local.options import LocalOptions
from vcycled.spaces.local.space import LocalSpace

__all__ = ["LocalOptions", "LocalSpace"]
