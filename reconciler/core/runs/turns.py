"""Whose turn it is: fairness between workspaces, and what becomes of a deadline meanwhile.

See docs/runs.md#room.
"""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Turn:
    """One workspace: its runs in flight, and a number that is higher the later it was served.

    `held_since`: since when some of its work has waited for nothing but room of the server.
    """

    in_flight: int = 0
    served: int = 0
    held_since: datetime | None = None


def with_in_flight(
    turns: Mapping[str, Turn], in_flight: Mapping[tuple[str, str], int]
) -> dict[str, Turn]:
    """The turns with what each workspace has in flight, counted by (workspace, agent)."""
    counted = dict(turns)
    for (workspace, _), count in in_flight.items():
        turn = counted.get(workspace, Turn())
        counted[workspace] = replace(turn, in_flight=turn.in_flight + count)
    return counted


def next_workspace(turns: Mapping[str, Turn], with_work: Iterable[str]) -> str:
    """The workspace with the least in flight; among equals the one that was served longest ago."""

    def order(workspace: str) -> tuple[int, int, str]:
        turn = turns.get(workspace, Turn())
        return turn.in_flight, turn.served, workspace

    return min(with_work, key=order)


def served(turns: Mapping[str, Turn], workspace: str) -> Turn:
    """The turn of a workspace after one more of its runs was given to an agent."""
    turn = turns.get(workspace, Turn())
    last = max((each.served for each in turns.values()), default=0)
    return replace(turn, in_flight=turn.in_flight + 1, served=last + 1)


def held_back(turns: Mapping[str, Turn], held: AbstractSet[str], now: datetime) -> dict[str, Turn]:
    """The turns that change where a full server holds back just these workspaces, from `now` on."""
    begun = {
        workspace: replace(turn, held_since=now)
        for workspace in held
        if (turn := turns.get(workspace, Turn())).held_since is None
    }
    over = {
        workspace: replace(turn, held_since=None)
        for workspace, turn in turns.items()
        if turn.held_since is not None and workspace not in held
    }
    return begun | over


def deadline_after_waiting(
    deadline: datetime,
    timeout: timedelta,
    admitted: datetime,
    held_since: datetime | None,
    now: datetime,
) -> datetime:
    """The deadline of a run that was held back by nothing but a full server.

    The time from `held_since` to `now` does not count: what was left of `timeout` when the server
    became full is left now. Working it out again from its own result adds nothing.
    """
    if held_since is None:
        return deadline
    used = max(held_since, admitted) - admitted
    return max(deadline, now + max(timeout - used, timedelta(0)))
