"""The last runs of an autopilot as a row of ticks, and the same in words."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.core.runs.run import Run

SHOWN = 12


@dataclass(frozen=True, slots=True)
class Ticks:
    """Runs, the oldest first; `words` is what a screen reader says."""

    runs: Sequence[Run]
    words: str


def ticks_of(newest_first: Sequence[Run]) -> Ticks | None:
    """The ticks of an autopilot; None for one that never ran."""
    runs = newest_first[:SHOWN]
    if not runs:
        return None
    counts = Counter(run.status.replace("_", " ") for run in runs)
    of_each = ", ".join(f"{count} {status}" for status, count in counts.most_common())
    return Ticks(runs[::-1], f"The last {len(runs)}: {of_each}" if len(runs) > 1 else of_each)
