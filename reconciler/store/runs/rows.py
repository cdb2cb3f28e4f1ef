"""Rows of runs, read as `Run`s. One that somebody made unreadable by hand holds up no other.

A list leaves such a row out, as if it did not exist, and the log says so; who asks for that run
itself is told why (docs/runs.md#rows-that-cannot-be-read).
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple, Self

from sqlalchemy import ColumnElement, Connection, Row, Select, bindparam, select

from reconciler.core.base.typed import mistyped, out_of_range, types_of
from reconciler.core.runs.queue import Queue
from reconciler.core.runs.run import Reason, Run, Source, Status, WaitingFor
from reconciler.store.checked import UnreadableRow
from reconciler.store.engine.batches import IDS
from reconciler.store.engine.paging import filled
from reconciler.store.tables import autopilot, autopilot_run, autopilot_trigger

_RENAMED = {
    "workspace": "workspace_id",
    "key": "concurrency_key",
    "payload": "trigger_payload",
    "commit": "commit_sha",
}
JOINED = {"autopilot": autopilot.c.name, "trigger": autopilot_trigger.c.name}
"""The fields that are columns of other tables."""
FIELDS = tuple(f.name for f in fields(Run))
_COLUMNS = ("run_token", "holds", "lease_token", "input_tokens", "output_tokens", "cached_tokens")
"""Columns that are no fields of a `Run`."""
STORED = {name: name for name in _COLUMNS} | {
    name: _RENAMED.get(name, name) for name in FIELDS if name not in JOINED
}
_ENUMS = {
    "source": Source,
    "status": Status,
    "reason": Reason,
    "waiting_for": WaitingFor,
    "cancel_reason": Reason,
}
_TOLD_FIELDS = tuple(name for name in FIELDS if name not in {"payload", "context"})
_LIGHT_FIELDS = tuple(name for name in _TOLD_FIELDS if name != "result")
_BY_LENGTH = {len(names): names for names in (FIELDS, _TOLD_FIELDS, _LIGHT_FIELDS)}
# What was told of usage counts for nothing where it cannot be read: a run ends all the same.
_TYPES = {name: types for name, types in types_of(Run).items() if name != "usage"}
_MOMENTS = tuple(name for name, types in _TYPES.items() if datetime in types)
_MOST = {name: 10**12 for name, types in _TYPES.items() if int in types} | {"attempts": 10**9}
"""Milliseconds and micro-dollars that can be reckoned with; one more attempt has to fit."""
_sound: set[tuple[type, ...]] = set()
"""The types that the fields of a row had, of rows that could be read: most rows are alike."""
_MOST_SHAPES = 4096


def _selection(names: Iterable[str]) -> Select[Any]:
    columns = [
        (JOINED[n] if n in JOINED else autopilot_run.c[STORED[n]]).label(f"f_{n}") for n in names
    ]
    return (
        select(*columns)
        .select_from(autopilot_run)
        .join(autopilot, autopilot.c.id == autopilot_run.c.autopilot_id)
        .outerjoin(autopilot_trigger, autopilot_trigger.c.id == autopilot_run.c.trigger_id)
    )


WHOLE = _selection(FIELDS)
LIGHT = _selection(_LIGHT_FIELDS)
"""Without what may be megabytes: payload, result and context."""
TOLD = _selection(_TOLD_FIELDS)
"""Without what is told to nobody: payload and context."""


def run_of(row: Sequence[Any]) -> Run:
    """The run that a row of one of these selections holds. Raises UnreadableRow."""
    values: dict[str, Any] = dict(zip(_BY_LENGTH[len(row)], row, strict=True))
    try:
        for name, enum in _ENUMS.items():
            if values[name] is not None:
                values[name] = enum(values[name])
        if values["queue"]:
            name = "queue"
            Queue.parse(values["queue"])
    except (AttributeError, TypeError, ValueError):
        raise _unreadable(values, name) from None
    shape = tuple(map(type, values.values()))
    if shape not in _sound:
        if (mistaken := mistyped(values.items(), _TYPES)) is not None:
            raise _unreadable(values, mistaken)
        _note_sound(shape)
    if (mistaken := out_of_range(values, _MOMENTS, _MOST)) is not None:
        raise _unreadable(values, mistaken)
    return Run(**values)


def _note_sound(shape: tuple[type, ...]) -> None:
    if len(_sound) >= _MOST_SHAPES:
        _sound.clear()
    _sound.add(shape)


def _unreadable(values: Mapping[str, Any], name: str) -> UnreadableRow:
    return UnreadableRow("run", values["id"], STORED.get(name, name), values[name])


def readable(rows: Iterable[Row[Any]]) -> list[Run]:
    """The runs of these rows, without those that cannot be read."""
    runs = []
    for row in rows:
        try:
            runs.append(run_of(row))
        except UnreadableRow as error:
            tell_unreadable(error.id, error.why)
    return runs


@lru_cache(maxsize=16_384)  # with fewer than there are such rows, each round would log all of them
def tell_unreadable(run_id: str, why: str) -> None:
    """Log, once: rounds come to the same row several times a second."""
    # Plans and the process that writes deliveries are spared what logging brings along.
    import structlog

    structlog.get_logger(__name__).error(
        "the row of a run cannot be read, nothing is done with it", run=run_id, why=why
    )


def read_runs(
    tx: Connection,
    query: Select[Any],
    values: Mapping[str, Any] | None = None,
    without: Collection[str] = (),
) -> list[Run]:
    """The runs that a query gives, without those that cannot be read, nor those of these ids.

    A query with the parameter `most` gives that many others.
    """
    bound = dict(values or {})
    if "most" not in bound:
        return readable(_without(tx.execute(query, bound), without))

    def read(most: int) -> Sequence[Row[Any]]:
        return tx.execute(query, {**bound, "most": most}).all()

    return read_most(read, bound["most"], without)


def read_most(
    read: Callable[[int], Sequence[Row[Any]]], most: int, without: Collection[str] = ()
) -> list[Run]:
    """The first runs that can be read, at most so many; `read` gives the first rows."""
    return filled(read, lambda rows: readable(_without(rows, without)), most)


def _without(rows: Iterable[Row[Any]], ids: Collection[str]) -> Iterable[Row[Any]]:
    return (row for row in rows if row.f_id not in ids) if ids else rows


class Which(NamedTuple):
    """Which runs of a list: the first, without those of some ids, or only those of some ids."""

    most: int = 200
    without: Collection[str] = ()
    only: Collection[str] | None = None


FIRST = Which()


class Listing(NamedTuple):
    """The statements of a list that a round goes through: its first runs, and those of some ids."""

    first: Select[Any]
    of_ids: Select[Any]

    @classmethod
    def of(cls, condition: ColumnElement[bool], *order: ColumnElement[Any]) -> Self:
        """The list of what fulfils a condition, in this order; without payloads and results."""
        query = LIGHT.where(condition).order_by(*order)
        return cls(query.limit(bindparam("most")), query.where(autopilot_run.c.id.in_(IDS)))

    def held(self) -> "Listing":
        """The same in a write: the rows are held, and those that others hold are passed over."""
        return Listing(
            *(query.with_for_update(skip_locked=True, of=autopilot_run) for query in self)
        )

    def read(self, tx: Connection, values: Mapping[str, Any], which: Which) -> list[Run]:
        """The runs of the list; `values` are what its condition binds."""
        if which.only is not None:
            return read_runs(tx, self.of_ids, {**values, "ids": list(which.only)})
        return read_runs(tx, self.first, {**values, "most": which.most}, which.without)
