"""What the agent of a run writes, as it comes, made harmless for a terminal."""

import time
from collections.abc import Callable, Iterator

from reconciler.cli.backend.run_state import RunState
from reconciler.core.base.errors import Conflict
from reconciler.core.base.safe_text import escaped
from reconciler.core.runs.run import ENDED

PAUSE = 0.5
"""Seconds between two looks."""


def written(state: RunState, run_id: str, write_note: Callable[[str], None]) -> Iterator[str]:
    """Whole lines, until the run ends; the last one may lack its line break.

    Where nothing can be told while it works, a note says why, once, and the end is waited for.
    """
    position: str | None = None
    pending, can_tell = "", True
    while True:
        # The run first: what it wrote before its end is then among what is read.
        ended = state.get_run(run_id)["status"] in ENDED
        if can_tell and not (ended and position):
            try:
                output = state.output(run_id, position)
            except Conflict as error:
                can_tell = False
                if not ended:
                    write_note(f"{error}; waiting for the end of the run")
            else:
                position = output.position or position
                *lines, pending = (pending + output.text).split("\n")
                yield from map(visible, lines)
        if ended:
            if pending:
                yield visible(pending)
            return
        time.sleep(PAUSE)


def visible(line: str) -> str:
    """A line without the power to move the cursor or to colour what follows; tabs stay."""
    return "\t".join(escaped(part.removesuffix("\r")) for part in line.split("\t"))
