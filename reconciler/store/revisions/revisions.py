"""Revisions: states of a source that were tried, applied or not (docs/plan.md#revisions)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Row, func, insert, select

from reconciler.core.base.errors import Problem
from reconciler.core.base.identity import Revision
from reconciler.store.checked import Checked
from reconciler.store.engine.backend import Tx
from reconciler.store.engine.paging import filled
from reconciler.store.tables import revision

_R = revision.c


class Via(StrEnum):
    """By which way somebody asked."""

    CLI = "cli"
    SERVER = "server"
    API = "api"


class RevisionResult(StrEnum):
    """`failed`: it has problems; `refused`: it is unsafe, blocked or stale."""

    APPLIED = "applied"
    FAILED = "failed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One row of `revision`. `counts` are the changes by action; `id` grows with each attempt."""

    source_id: str
    revision: Revision
    actor: str
    via: Via
    result: RevisionResult
    created_at: datetime
    plan_digest: str | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    more_problems: int = 0
    """How many Problems were left out."""
    workspaces: frozenset[str] = frozenset()
    id: int = field(default=0, compare=False)

    @property
    def problem_count(self) -> int:
        """The number of Problems, those left out included."""
        return len(self.problems) + self.more_problems


IS_APPLIED_COMMIT = (_R.result == RevisionResult.APPLIED, _R.committed_at.is_not(None))


def record(tx: Tx, attempt: Attempt) -> int:
    """Add an attempt and return its id."""
    values = {
        "source_id": attempt.source_id,
        "revision": attempt.revision.id,
        "author": attempt.revision.author,
        "subject": attempt.revision.subject,
        "committed_at": attempt.revision.committed_at,
        "actor": attempt.actor,
        "via": attempt.via,
        "result": attempt.result,
        "plan_digest": attempt.plan_digest,
        "counts": dict(attempt.counts),
        "problems": _stored(attempt),
        "workspaces": sorted(attempt.workspaces),
        "created_at": attempt.created_at,
    }
    inserted: int = tx.execute(insert(revision).returning(_R.id), values).scalar_one()
    return inserted


def record_once(tx: Tx, attempt: Attempt) -> int:
    """`record`, unless the source's last attempt ended just so: a poll adds no row."""
    last = last_attempt(tx, attempt.source_id)
    if last is not None and _is_repeated(last, attempt):
        return last.id
    return record(tx, attempt)


def _is_repeated(last: Attempt, attempt: Attempt) -> bool:
    facts = (last.revision.id, last.result, last.problems, last.problem_count, last.plan_digest)
    return facts == (
        attempt.revision.id,
        attempt.result,
        attempt.problems,
        attempt.problem_count,
        attempt.plan_digest,
    )


def applied_revision(tx: Tx, source_id: str) -> Revision | None:
    """The revision that is in force for a source."""
    newest = _newest(tx, source_id, _R.result == RevisionResult.APPLIED)
    return newest.revision if newest else None


def applied_commit(tx: Tx, source_id: str) -> Revision | None:
    """The last commit that was applied for a source, also if a plain folder was applied since."""
    newest = _newest(tx, source_id, *IS_APPLIED_COMMIT)
    return newest.revision if newest else None


def author_of(tx: Tx, source_id: str, revision_id: str) -> str | None:
    """The author of a commit that was applied for a source."""
    newest = _newest(tx, source_id, _R.revision == revision_id)
    return newest.revision.author if newest else None


def removals_since(tx: Tx, source_id: str, since: datetime) -> int:
    """How many objects the server itself removed from a source and did not bring back."""
    query = select(_R.counts).where(
        _R.source_id == source_id,
        _R.via == Via.SERVER,
        _R.result == RevisionResult.APPLIED,
        _R.created_at >= since,
    )
    counts = [row for row in tx.execute(query).scalars() if isinstance(row, dict)]
    return max(0, sum(_count(row, "archive") - _count(row, "restore") for row in counts))


def _count(counts: Mapping[str, Any], action: str) -> int:
    """How many there were; none where somebody edited that by hand."""
    number = counts.get(action, 0)
    return number if isinstance(number, int) else 0


def last_applied(tx: Tx, source_id: str) -> Attempt | None:
    """The attempt that put the source's objects into force."""
    return _newest(tx, source_id, _R.result == RevisionResult.APPLIED)


def last_attempt(tx: Tx, source_id: str) -> Attempt | None:
    """The newest attempt of a source, however it ended."""
    return _newest(tx, source_id)


def newest_id(tx: Tx) -> int:
    """Grows with every attempt of any source: as long as it stands, nothing was applied."""
    newest: int = tx.execute(select(func.coalesce(func.max(_R.id), 0))).scalar_one()
    return newest


def get_attempt(tx: Tx, id_: int) -> Attempt | None:
    """One attempt by its id. Raises Conflict where its row cannot be read."""
    row = tx.execute(select(revision).where(_R.id == id_)).mappings().one_or_none()
    return _attempt(_CHECKED.read(dict(row))) if row else None


def find_attempt(tx: Tx, revision_id: str, workspaces: frozenset[str] | None) -> int | None:
    """The number of the newest attempt of a commit or digest, of an applied one if there is any.

    With `workspaces` only where it was about some of them.
    """
    is_applied = (_R.result == RevisionResult.APPLIED).desc()
    query = select(_R.id, _R.workspaces).where(_R.revision == revision_id)
    rows = tx.execute(query.order_by(is_applied, _R.id.desc()).limit(_TRIES))
    seen = (id_ for id_, about in rows if workspaces is None or _is_about(about, workspaces))
    return next(seen, None)


def _is_about(about: object, workspaces: frozenset[str]) -> bool:
    """Whether a column of workspaces names some of these; somebody may have edited it by hand."""
    return isinstance(about, list) and any(name in workspaces for name in map(str, about))


_TRIES = 50
"""Attempts of one revision that are looked at: a poll adds none that ended like the one before."""


def list_attempts(
    tx: Tx,
    *,
    source_id: str | None = None,
    workspaces: frozenset[str] | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[Attempt]:
    """Attempts, newest first; `before` is the last id seen.

    With `workspaces` only those that were about some of them.
    """
    attempts: list[Attempt] = []
    while len(attempts) < limit:
        query = select(revision).order_by(_R.id.desc()).limit(limit)
        if source_id is not None:
            query = query.where(_R.source_id == source_id)
        if before is not None:
            query = query.where(_R.id < before)
        page = tx.execute(query).all()
        attempts += [
            attempt
            for attempt in _readable(page)
            if workspaces is None or workspaces & attempt.workspaces
        ]
        if len(page) < limit:
            break
        before = page[-1].id
    return attempts[:limit]


def list_sources(tx: Tx) -> list[str]:
    """The sources that ever tried a revision, by name."""
    return list(tx.execute(select(_R.source_id).distinct().order_by(_R.source_id)).scalars())


def _newest(tx: Tx, source_id: str, *where: ColumnElement[bool]) -> Attempt | None:
    query = select(revision).where(_R.source_id == source_id, *where).order_by(_R.id.desc())
    newest = filled(lambda most: tx.execute(query.limit(most)).all(), _readable, 1)
    return newest[0] if newest else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    id: int
    source_id: str
    revision: str
    author: str | None
    subject: str | None
    committed_at: datetime | None
    actor: str
    via: Via
    result: RevisionResult
    plan_digest: str | None
    counts: dict[str, int]
    problems: Any
    workspaces: list[str]
    created_at: datetime


_CHECKED = Checked(_Row, "revision", 10**18, items={"counts": int, "workspaces": str})


def _readable(rows: Iterable[Row[Any]]) -> list[Attempt]:
    checked = _CHECKED.readable(dict(row._mapping) for row in rows)  # noqa: SLF001 - its public way
    return [_attempt(row) for row in checked]


def _attempt(row: _Row) -> Attempt:
    problems, more = _problems(row.problems)
    return Attempt(
        id=row.id,
        source_id=row.source_id,
        revision=Revision(row.revision, row.author, row.subject, row.committed_at),
        actor=row.actor,
        via=row.via,
        result=row.result,
        created_at=row.created_at,
        plan_digest=row.plan_digest,
        counts=row.counts,
        problems=problems,
        more_problems=more,
        workspaces=frozenset(row.workspaces),
    )


_MORE = "more"
"""The one key of a last entry beside the Problems: how many were left out."""


def _stored(attempt: Attempt) -> list[dict[str, Any]]:
    problems = [asdict(problem) for problem in attempt.problems]
    return [*problems, {_MORE: attempt.more_problems}] if attempt.more_problems else problems


def _problems(stored: Sequence[Mapping[str, Any]]) -> tuple[tuple[Problem, ...], int]:
    """The Problems and how many were left out; none where somebody edited them by hand."""
    try:
        problems = tuple(Problem(**entry) for entry in stored if _MORE not in entry)
        return problems, sum(entry.get(_MORE, 0) for entry in stored)
    except (AttributeError, TypeError):
        return (), 0
