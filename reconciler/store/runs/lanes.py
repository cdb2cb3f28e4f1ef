"""How many runs an autopilot had from moment to moment: for pictures of thousands of them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import log

from sqlalchemy import Connection, func, select

from reconciler.core.base.uuid7 import uuid7
from reconciler.core.runs.run import Status
from reconciler.store.tables import autopilot_run

_R = autopilot_run.c
_DIGITS = 12
"""Hexadecimal digits of a moment in milliseconds, with which an id begins."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class RunCount:
    """`count` runs of one status that were triggered within `first..last`."""

    first: datetime
    last: datetime
    status: Status
    count: int


def step_near(step: timedelta) -> timedelta:
    """The step of `count_runs` for this one: a power of 16 of milliseconds, at most its double."""
    return timedelta(milliseconds=16 ** _power(step))


def count_runs(
    tx: Connection, autopilot_id: str, since: datetime, until: datetime, step: timedelta
) -> list[RunCount]:
    """Count the runs of an autopilot by status and by steps of `step_near(step)`, oldest first.

    What ids of one step have in common is how they begin, so that the database counts by the index
    that it reads.
    """
    digits = _DIGITS - _power(step)
    begin = func.substr(_R.id, 1, digits + (digits > 8))  # after the eighth there is a hyphen
    query = (
        select(func.min(_R.id), func.max(_R.id), _R.status, func.count())
        .where(_R.autopilot_id == autopilot_id, _R.id >= uuid7(since, 0), _R.id < uuid7(until, 0))
        .group_by(begin, _R.status)
        .order_by(func.min(_R.id))
    )
    return [
        RunCount(_moment(first), _moment(last), Status(status), count)
        for first, last, status, count in tx.execute(query)
    ]


def _power(step: timedelta) -> int:
    """Of 16; between 1 and all of the digits but one."""
    milliseconds = max(1.0, 2 * step / timedelta(milliseconds=1))
    return min(_DIGITS - 1, max(1, int(log(milliseconds, 16))))


def _moment(id_: str) -> datetime:
    return _EPOCH + timedelta(milliseconds=int(id_[:13].replace("-", ""), 16))
