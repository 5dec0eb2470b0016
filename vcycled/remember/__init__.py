"""What happened, turned into what is remembered. Pure: facts in, changes out.

match      which listed machine is which of ours, which is missing, what is foreign
questions  what must be asked before that can be believed (shell: `find`, shutdown messages)
learn      every transition, recorded once, as one set of changes
obey       the orders of operators
claimed    foreign machines that they say are ours (match tells which)
forgotten  machines that they say are not to be waited for
noted      what a plan itself says of those who wait
told       that machines know when they will be ended
concluded  the answers to our creations
paused     the space that a cloud asked to wait
located    the account that the machines of a space are in (is_elsewhere, waited_for)
unproven   the machines of an import that no listing has shown (mislaid: too many for chance)
rewound    the records without what a clock ahead wrote
tallies    by how much each total is raised
updated    the records once changes are saved
"""

from vcycled.remember.adopt import adopted, claimed
from vcycled.remember.claims import Claim, heard
from vcycled.remember.creation import Attempt, concluded
from vcycled.remember.ends import LastWords
from vcycled.remember.learn import Answers, learn
from vcycled.remember.leaving import as_told, noted, told, told_wallclocks
from vcycled.remember.ledger import is_turned_away, paused
from vcycled.remember.match import Matched, Questions, match, questions
from vcycled.remember.orders import obey, updated
from vcycled.remember.release import CloudView, Release, forgotten, releases
from vcycled.remember.times import rewound
from vcycled.remember.totals import Tally, cycle_tallies, record_tally, tallies
from vcycled.remember.whereabouts import (
    in_words,
    is_elsewhere,
    located,
    mislaid,
    unproven,
    waited_for,
)

__all__ = [
    "Answers",
    "Attempt",
    "Claim",
    "CloudView",
    "LastWords",
    "Matched",
    "Questions",
    "Release",
    "Tally",
    "adopted",
    "as_told",
    "claimed",
    "concluded",
    "cycle_tallies",
    "forgotten",
    "heard",
    "in_words",
    "is_elsewhere",
    "is_turned_away",
    "learn",
    "located",
    "match",
    "mislaid",
    "noted",
    "obey",
    "paused",
    "questions",
    "record_tally",
    "releases",
    "rewound",
    "tallies",
    "told",
    "told_wallclocks",
    "unproven",
    "updated",
    "waited_for",
]
