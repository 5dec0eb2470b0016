"""What Vcycle 3 left under /var/lib/vcycle, read once and taken over.

read_tree  its machines, last aborts and signs of life, and what of them cannot be read
survey     from these, the records that it wrote and our store: what our store is to hold

Facts about the old tree are those of its release 3.0. It kept all it knew in small files; the
cloud's own id of a machine stands in `jobfeatures/jobstart_secs`, by a mistake that is useful now.
"""

from vcycled.vcycle3.facts import OldMachine, OldTree, Place, Trouble
from vcycled.vcycle3.survey import survey
from vcycled.vcycle3.takeover import Became, Takeover
from vcycled.vcycle3.tree import read_tree

__all__ = [
    "Became",
    "OldMachine",
    "OldTree",
    "Place",
    "Takeover",
    "Trouble",
    "read_tree",
    "survey",
]
