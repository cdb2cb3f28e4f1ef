"""What admission reads under the lock: autopilots, and their runs that have not ended."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, Text, and_, bindparam, cast, select, update

from reconciler.core.base.typed import mistyped, types_of
from reconciler.core.runs.admission import Occupancy, Open, Policy
from reconciler.core.runs.live import LiveAutopilot, SpecTimes, policy_of
from reconciler.core.runs.run import Source
from reconciler.store.engine.batches import IDS, alike, batches
from reconciler.store.engine.json_text import read_json
from reconciler.store.runs.switches import SWITCHES, switches_of
from reconciler.store.tables import autopilot, autopilot_run

_A = autopilot.c


class _LiveRow(NamedTuple):
    """The columns of an autopilot that the run side reads; its JSON is text, so that rows compare.

    Not the description: it is long, and only the prompt needs it.
    """

    id: str
    workspace_id: str
    name: str
    title: str
    labels: str
    applied_digest: str
    origin_revision: str | None
    assignee_type: str
    assignee_id: str
    issue_title_template: str | None
    spec: str
    concurrency_policy: str
    status: str
    archived_at: datetime | None
    paused_at: datetime | None
    paused_by: str | None
    pause_reason: str | None
    in_force_since: datetime | None
    failures: int
    breaker_opened_at: datetime | None
    breaker_probe: str | None


_JSON = ("labels", "spec")
_TYPES = types_of(_LiveRow)
_of_switches: Callable[[_LiveRow], tuple[Any, ...]] = itemgetter(slice(-len(SWITCHES), None))
_LIVE: Select[Any] = (
    select(*(cast(_A[name], Text) if name in _JSON else _A[name] for name in _LiveRow._fields))
    .where(_A.id.in_(IDS))
    .order_by(_A.id)
)
_LOCKED = _LIVE.with_for_update()


def lock_autopilots(tx: Connection, ids: Sequence[str]) -> dict[str, LiveAutopilot]:
    """Read autopilots and hold their rows until the end of the transaction.

    Always in the order of the ids, so that two batches never wait for each other in a circle.
    """
    return read_live(tx, sorted(set(ids)), lock=True)


_MARK: Select[Any] = (
    select(_A.id, _A.applied_digest, *SWITCHES)
    .where(_A.id.in_(IDS))
    .order_by(_A.id)
    .with_for_update()
)


def hold_unchanged(tx: Connection, known: Mapping[str, LiveAutopilot]) -> dict[str, LiveAutopilot]:
    """Hold the rows of these autopilots as `lock_autopilots` does.

    Return those of which nobody has applied another manifest meanwhile, and whose switches stand
    as they were read.
    """
    unchanged: dict[str, LiveAutopilot] = {}
    for batch in batches(sorted(known)):
        for id_, digest, *switches in tx.execute(_MARK, {"ids": batch}).all():
            live = known[id_]
            if live.digest == digest and live.switches == switches_of(*switches):
                unchanged[id_] = live
    return unchanged


def read_live(
    tx: Connection, ids: Sequence[str], *, lock: bool = False
) -> dict[str, LiveAutopilot]:
    """Autopilots by id, as the run side sees them.

    A row that somebody made unreadable by hand is left out, as if it did not exist: it drifts,
    and the next apply puts it back.
    """
    autopilots: dict[str, LiveAutopilot] = {}
    for batch in batches(ids):
        for row in tx.execute(_LOCKED if lock else _LIVE, {"ids": batch}).all():
            with suppress(LookupError, TypeError, ValueError, AttributeError):
                autopilots[row[0]] = _live(_LiveRow._make(row))
    return autopilots


class _Spec(NamedTuple):
    policy: Policy
    times: SpecTimes
    key_expression: str | None
    pause_after_failures: int
    prechecked: bool
    recalls: bool


@lru_cache(maxsize=1024)
def _spec(text: str, policy: str) -> _Spec:
    """Most autopilots leave most of a spec to its defaults: many have the same text.

    Raises where the text, edited by hand, holds what cannot be a spec.
    """
    spec = read_json(text)
    key, after = spec.get("concurrencyKey"), spec["pauseAfterFailures"]
    prechecked = spec.get("precheck") is not None
    recalls = "lastCompleted" in (spec.get("context") or ())
    read = _Spec(policy_of(policy, spec), SpecTimes.of(spec), key, after, prechecked, recalls)
    limits = [limit for limit in (read.policy.per_hour, read.policy.per_day) if limit is not None]
    most = (read.policy.max_concurrency, read.policy.max_active, read.policy.queue_limit)
    if not all(type(number) is int for number in (*most, *limits, after)):
        raise TypeError("a number of the spec is invalid")
    if not isinstance(key or "", str):
        raise TypeError("the concurrencyKey is not text")
    return read


@lru_cache(maxsize=1024)
def _labels(text: str) -> Mapping[str, str]:
    labels = read_json(text)
    if not isinstance(labels, dict):
        raise TypeError("the labels are not a mapping")
    return labels


@lru_cache(maxsize=4096)
def _live(row: _LiveRow) -> LiveAutopilot:
    """Kept by value: a batch reads a row twice, and most rows are as they were in the last one."""
    if (column := mistyped(row._asdict().items(), _TYPES)) is not None:
        raise TypeError(f"{column} holds what it cannot hold")
    spec = _spec(row.spec, row.concurrency_policy)
    return LiveAutopilot(
        id=row.id,
        workspace=row.workspace_id,
        name=row.name,
        title=row.title,
        labels=_labels(row.labels),
        digest=row.applied_digest,
        revision=row.origin_revision,
        assignee=(row.assignee_type, row.assignee_id),
        template=row.issue_title_template,
        key_expression=spec.key_expression,
        policy=spec.policy,
        timeout=spec.times.timeout,
        queue_ttl=spec.times.queue_ttl,
        pause_after_failures=spec.pause_after_failures,
        prechecked=spec.prechecked,
        recalls=spec.recalls,
        switches=switches_of(*_of_switches(row)),
    )


_R = autopilot_run.c
_OPEN_RUNS = (
    select(
        _R.autopilot_id,
        _R.id,
        _R.concurrency_key,
        _R.admitted_at,
        _R.triggered_at,
        _R.trigger_id,
        _R.source,
        _R.trigger_payload.is_(None).label("bare"),
        _R.blocked_by,
    )
    .where(_R.autopilot_id.in_(IDS), _R.completed_at.is_(None))
    .order_by(_R.id)
)


_ANY_WAITING = (
    select(_R.id)
    .where(
        _R.autopilot_id == bindparam("of_autopilot"),
        _R.completed_at.is_(None),
        _R.admitted_at.is_(None),
    )
    .limit(1)
)


def any_waiting(tx: Connection, autopilot_id: str) -> bool:
    """Whether a run of this autopilot waits to be admitted."""
    return tx.execute(_ANY_WAITING, {"of_autopilot": autopilot_id}).first() is not None


def read_occupancy(
    tx: Connection, autopilots: Sequence[LiveAutopilot], now: datetime
) -> dict[str, Occupancy]:
    """The open runs of these autopilots, oldest first, and recent admissions where limited."""
    occupancies = {live.id: Occupancy() for live in autopilots}
    for batch in batches(list(occupancies)):
        for autopilot_id, *columns in tx.execute(_OPEN_RUNS, {"ids": batch}):
            occupancies[autopilot_id].enter(_open(*columns))
    limited = [live.id for live in autopilots if live.policy.windows]
    for batch in batches(limited):
        for row in tx.execute(_admissions(batch, now)):
            if isinstance(row.admitted_at, datetime):  # not what somebody wrote there by hand
                occupancies[row.autopilot_id].admitted.append(row.admitted_at)
    return occupancies


def _open(
    id_: str,
    key: str,
    admitted: datetime | None,
    triggered: datetime,
    trigger_id: str | None,
    source: str,
    bare: bool,
    blocked_by: str | None,
) -> Open:
    mergeable = source == Source.SCHEDULE and bool(bare)
    since = admitted or triggered
    return Open(id_, key, admitted is not None, since, trigger_id, mergeable, blocked_by)


def save_blockers(tx: Connection, blocker_of: Mapping[str, str]) -> None:
    """Record which run each of these waiting runs waits for."""
    for blocker, batch in alike(blocker_of):
        waits = and_(_R.id.in_(batch), _R.admitted_at.is_(None), _R.completed_at.is_(None))
        tx.execute(update(autopilot_run).where(waits).values(blocked_by=blocker))


def _admissions(ids: Sequence[str], now: datetime) -> Any:
    r = autopilot_run.c
    recent = r.admitted_at > now - timedelta(days=1)
    return select(r.autopilot_id, r.admitted_at).where(r.autopilot_id.in_(ids), recent)


_TRIGGERED = update(autopilot).where(_A.id.in_(IDS)).values(last_run_at=bindparam("at"))


def save_last_run(tx: Connection, moments: Mapping[str, datetime]) -> None:
    """Record when each autopilot was last triggered."""
    for moment, batch in alike(moments):
        tx.execute(_TRIGGERED, {"ids": batch, "at": moment})


def save_breaker(
    tx: Connection,
    autopilot_id: str,
    failures: int,
    opened_at: datetime | None,
    probe: str | None,
) -> None:
    """Write the breaker of one autopilot, whose row is held."""
    tx.execute(
        update(autopilot)
        .where(autopilot.c.id == autopilot_id)
        .values(failures=failures, breaker_opened_at=opened_at, breaker_probe=probe)
    )


def save_pause(
    tx: Connection, autopilot_id: str, at: datetime, actor: str, reason: str | None
) -> None:
    """Set the runtime pause of one autopilot, whose row is held."""
    values = {"paused_at": at, "paused_by": actor, "pause_reason": reason}
    tx.execute(update(autopilot).where(autopilot.c.id == autopilot_id).values(values))


def save_resume(tx: Connection, autopilot_id: str, at: datetime) -> None:
    """Lift pause and breaker of one autopilot, whose row is held."""
    values = {
        "paused_at": None,
        "paused_by": None,
        "pause_reason": None,
        "failures": 0,
        "breaker_opened_at": None,
        "breaker_probe": None,
        "in_force_since": at,
    }
    tx.execute(update(autopilot).where(autopilot.c.id == autopilot_id).values(values))
