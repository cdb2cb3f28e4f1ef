"""What happened in a transaction, told to whoever counts once it is committed, and only then."""

from dataclasses import dataclass

from sqlalchemy import Connection

from reconciler.core.runs.run import Reason, Source, Status
from reconciler.core.runs.usage import Usage

_NOTED = "reconciler.facts"


@dataclass(frozen=True, slots=True)
class RunEnded:
    """Runs came to their end, skipped ones at their beginning."""

    status: Status
    source: Source
    reason: Reason | None
    runs: int = 1


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The work of a run began, so many seconds after its admission."""

    seconds: float


@dataclass(frozen=True, slots=True)
class RunUsed:
    """What a run that has ended used of a model, as far as it is known."""

    usage: Usage


Fact = RunEnded | RunStarted | RunUsed


def begin_notes(tx: Connection) -> list[Fact]:
    """An empty list for this attempt of a transaction; what is noted goes there."""
    noted: list[Fact] = []
    tx.info[_NOTED] = noted
    return noted


def note(tx: Connection, fact: Fact) -> None:
    """Note what happened. It is forgotten with the transaction if that is undone."""
    noted = tx.info.get(_NOTED)
    if noted is not None:
        noted.append(fact)
