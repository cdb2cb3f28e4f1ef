"""Which agent does the work: the assignee itself, or a member of the squad."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reconciler.core.runs.retry import HoldUntil


@dataclass(frozen=True, slots=True)
class Chosen:
    """The agent that gets the run. `turn` is the squad's next turn; `note` says who was passed."""

    agent: str
    turn: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class NobodyAvailable:
    """No agent can take the run now; `why` says what each one lacks.

    `held` where that is a quota, of every one of them.
    """

    why: str
    held: HoldUntil | None = None


def choose(
    members: Sequence[str],
    strategy: str,
    turn: int,
    unavailable: Callable[[str], str | None],
) -> Chosen | NobodyAvailable:
    """`leader`: the first member that is available; `round_robin`: each in turn, from `turn` on.

    `unavailable` gives the reason why an agent cannot take work, or None.
    """
    count = len(members)
    start = turn % count if strategy == "round_robin" else 0
    passed: list[str] = []
    for step in range(count):
        index = (start + step) % count
        why = unavailable(members[index])
        if why is None:
            note = f"passed over {'; '.join(passed)}" if passed else ""
            return Chosen(members[index], (index + 1) % count, note)
        passed.append(f"{members[index]}: {why}")
    return NobodyAvailable("; ".join(passed))
