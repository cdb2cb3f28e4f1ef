"""What the newest runs of an autopilot say of its health, from a letter each (docs/runs.md#health).

`condition.py` is the rule. Of thousands of autopilots most are well, and it takes no more than the
status of a run or two to see so: this says which need no closer look.
"""

from enum import Enum
from functools import lru_cache

from reconciler.core.runs.condition import RECENT as IN_A_ROW

COMPLETED, FAILED, IDLE, SKIPPED, OPEN = "c", "f", "n", "s", "o"
"""`IDLE` was skipped since there was nothing to do. Of a run of a schedule it is a capital."""


class Glance(Enum):
    """What is seen so far."""

    WELL = "well"
    FAILED = "failed"
    """The last run that was worked on failed."""
    NOT_RUN = "not_run"
    """Its last occurrences may all have been skipped."""
    MORE = "more"
    """The run before has to be looked at."""


@lru_cache(maxsize=4096)
def glance(letters: str, scheduled: bool, is_all: bool) -> Glance:
    """Judge by the newest runs, newest first, where no interval was missed.

    `scheduled`: whether there are occurrences; `is_all`: whether no more letters are to be had.
    """
    worked = next((letter for letter in letters.lower() if letter in (COMPLETED, FAILED)), None)
    if worked == FAILED:
        return Glance.FAILED
    occurrences = [letter for letter in letters if letter.isupper()][:IN_A_ROW]
    ran = any(letter != SKIPPED.upper() for letter in occurrences)
    if len(occurrences) == IN_A_ROW and not ran:
        return Glance.NOT_RUN
    seen_enough = worked is not None and (ran or not scheduled)
    return Glance.WELL if seen_enough or is_all else Glance.MORE
