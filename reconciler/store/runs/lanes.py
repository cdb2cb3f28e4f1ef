"""How many runs an autopilot had from moment to moment: for pictures of thousands of them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

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


def count_runs(
    tx: Connection, autopilot_id: str, since: datetime, until: datetime, step: timedelta
) -> list[RunCount]:
    """Count the runs of an autopilot by status and by steps of time, the oldest first.

    A step is a power of 16 of milliseconds, the largest that is no longer than `step`: what ids of
    one step have in common is how they begin, so that the database counts by the index it reads.
    """
    begin = func.substr(_R.id, 1, _shared(step))
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


def _shared(step: timedelta) -> int:
    """Characters that ids of one step share; after the eighth there is a hyphen."""
    digits = _DIGITS
    while digits > 1 and timedelta(milliseconds=16 ** (_DIGITS - digits + 1)) <= step:
        digits -= 1
    return digits + (digits > 8)


def _moment(id_: str) -> datetime:
    return _EPOCH + timedelta(milliseconds=int(id_[:13].replace("-", ""), 16))
