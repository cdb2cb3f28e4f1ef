"""Triggers of a plan: matched by name, hidden when removed, scheduled anew only when edited.

A new, edited, re-enabled or resumed trigger never fires for a nominal moment before that change:
its cursor becomes the moment of the change (docs/time.md#edits). An unchanged one keeps its cursor.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, select, update

from reconciler.core.base.identity import trigger_id
from reconciler.core.base.units import parse_duration
from reconciler.core.calendar.zone import rules_version
from reconciler.core.manifest.state import Document
from reconciler.core.manifest.trigger import TriggerKind
from reconciler.core.runs.ahead import DECIDED_AHEAD, is_ahead
from reconciler.core.runs.run import MissedInterval
from reconciler.core.schedule.decide import Span
from reconciler.store.engine.backend import Tx
from reconciler.store.engine.batches import batches
from reconciler.store.engine.bulk import Values, insert_rows
from reconciler.store.objects.apply_context import ApplyContext
from reconciler.store.objects.documents import trigger_values
from reconciler.store.runs.missed import Missed, close_stalled, cut_missed, record_missed
from reconciler.store.tables import autopilot_trigger

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Bare:
    """The triggers of an autopilot that had none. `parked`: it is archived by its manifest."""

    autopilot_id: str
    triggers: Sequence[Document]
    parked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescheduled:
    """The triggers of an autopilot before (by name) and after. `revived`: it was archived.
    `pauses`: it takes no work from now on.
    """

    autopilot_id: str
    before: Mapping[str, Document]
    after: Sequence[Document]
    parked: bool
    revived: bool
    pauses: bool = False


_T = autopilot_trigger.c
_HELD = (
    _T.id, _T.autopilot_id, _T.name, _T.position, _T.removed_at,
    _T.webhook_token, _T.token_generation, _T.previous_token, _T.previous_token_until,
    _T.cursor, _T.decides_after, _T.next_run_at, _T.next_scheduled_for, _T.zone_rules,
    _T.stalled_at, _T.stalled_reason, _T.created_at,
)  # fmt: skip
_TOKEN = ("webhook_token", "token_generation", "previous_token", "previous_token_until")
_TIMING = (
    "cursor",
    "decides_after",
    "next_run_at",
    "next_scheduled_for",
    "zone_rules",
    "stalled_at",
    "stalled_reason",
)
_NO_TOKEN: Values = dict.fromkeys(_TOKEN)
_PARKED: Values = {"next_run_at": None, "next_scheduled_for": None}


def hold_triggers(tx: Tx, autopilot_ids: Sequence[str]) -> dict[str, dict[str, Row]]:
    """Read and lock all triggers of these autopilots, hidden ones too: autopilot id, name, row."""
    held: dict[str, dict[str, Row]] = {id_: {} for id_ in autopilot_ids}
    for batch in batches(sorted(autopilot_ids)):
        query = select(*_HELD).where(_T.autopilot_id.in_(batch)).order_by(_T.id).with_for_update()
        for row in tx.execute(query):
            held[row.autopilot_id][row.name] = row._asdict()
    return held


def insert_triggers(tx: Tx, autopilots: Sequence[Bare], context: ApplyContext) -> None:
    """Add the triggers of new autopilots."""
    rows = (
        _new(owner.autopilot_id, trigger, place, owner.parked, context)
        for owner in autopilots
        for place, trigger in enumerate(owner.triggers)
    )
    insert_rows(tx, autopilot_trigger, rows)


def update_triggers(
    tx: Tx,
    autopilots: Sequence[Rescheduled],
    held: Mapping[str, Mapping[str, Row]],
    context: ApplyContext,
) -> None:
    """Bring the triggers of existing autopilots to what their manifests say."""
    lapses: list[Missed] = []
    fresh: list[Values] = []
    known: list[dict[str, Any]] = []
    removed: list[str] = []
    for autopilot in autopilots:
        rows = held[autopilot.autopilot_id]
        matched = _match(autopilot, rows)
        for place, trigger in enumerate(autopilot.after):
            if row := matched[trigger["name"]]:
                if _edited(autopilot, row, trigger):
                    lapses += _lapses(autopilot.before, [row], context)
                    _cut_back(tx, row, autopilot.before.get(trigger["name"]), context)
                known += _changed(autopilot, row, trigger, place, context)
            else:
                fresh.append(
                    _new(autopilot.autopilot_id, trigger, place, autopilot.parked, context)
                )
        staying = {row["id"] for row in matched.values() if row}
        left = _left(rows.values(), staying)
        lapses += _lapses(autopilot.before, left, context)
        removed += [row["id"] for row in left]
    record_missed(tx, lapses, context.now)
    anew = [row["row_id"] for row in known if row["new_stalled_at"] is None]
    close_stalled(tx, [*removed, *anew], context.now)
    _hide(tx, removed, context.now)
    # Names are unique: two triggers that swap theirs would meet in the middle of the updates.
    _free_names(tx, held, known)
    insert_rows(tx, autopilot_trigger, fresh)
    if known:
        tx.execute(_UPDATE, known)


def _cut_back(tx: Tx, row: Row, before: Document | None, context: ApplyContext) -> None:
    """End what is recorded as missed at the moment of the change.

    A clock that was ahead may have recorded more; that is decided anew (docs/time.md#wrong-clocks).
    """
    if not is_ahead(row["cursor"], context.now, DECIDED_AHEAD):
        return

    def left_of(interval: MissedInterval) -> Span | None:
        just_before = interval.first - timedelta(microseconds=1)
        return context.lapsed(before, row["id"], just_before, context.now) if before else None

    cut_missed(tx, [row["id"]], context.now, left_of)


def _match(autopilot: Rescheduled, rows: Mapping[str, Row]) -> dict[str, Row | None]:
    """The row of each trigger: by id, else by name. None for a trigger that has none.

    An id comes from the first name, so that a row that somebody renamed by hand is still found; it
    may even have the name of another trigger. The id of an adopted row comes from elsewhere.
    """
    names = [trigger["name"] for trigger in autopilot.after]
    by_id = {row["id"]: row for row in rows.values()}
    matched = {name: by_id.get(trigger_id(autopilot.autopilot_id, name)) for name in names}
    taken = {row["id"] for row in matched.values() if row is not None}
    for name in names:
        row = rows.get(name)
        if matched[name] is None and row is not None and row["id"] not in taken:
            matched[name] = row
    return matched


def _free_names(
    tx: Tx, held: Mapping[str, Mapping[str, Row]], changes: Sequence[Mapping[str, Any]]
) -> None:
    """Give rows that change their names a name that nothing has: two may swap theirs."""
    names = {row["id"]: name for rows in held.values() for name, row in rows.items()}
    renamed = [row["row_id"] for row in changes if names[row["row_id"]] != row["new_name"]]
    for batch in batches(sorted(renamed)):
        tx.execute(update(autopilot_trigger).where(_T.id.in_(batch)).values(name=_T.id))


def park_triggers(tx: Tx, autopilot_ids: Sequence[str]) -> None:
    """Nothing of these autopilots is due any more."""
    for batch in batches(autopilot_ids):
        statement = update(autopilot_trigger).where(_T.autopilot_id.in_(batch))
        tx.execute(statement.values(_PARKED))


def _new(
    autopilot_id: str, trigger: Document, place: int, parked: bool, context: ApplyContext
) -> Values:
    id_ = trigger_id(autopilot_id, trigger["name"])
    return {
        "id": id_,
        "autopilot_id": autopilot_id,
        "position": place,
        **trigger_values(trigger),
        **_tokens(id_, trigger, _NO_TOKEN, context),
        **_timing(id_, trigger, parked, context),
        "created_at": context.now,
        "updated_at": context.now,
    }


def _changed(
    autopilot: Rescheduled, row: Row, trigger: Document, place: int, context: ApplyContext
) -> Iterator[dict[str, Any]]:
    """The update of a trigger that has a row, if there is anything to update."""
    edited = _edited(autopilot, row, trigger)
    before = autopilot.before.get(trigger["name"])
    renamed = row["name"] != trigger["name"]
    if not edited and not renamed and before == trigger and row["position"] == place:
        return
    timing = {name: row[name] for name in _TIMING}
    values = {
        "position": place,
        **trigger_values(trigger),
        **_tokens(row["id"], trigger, row, context),
        **(
            _timing(row["id"], trigger, autopilot.parked, context, row["cursor"])
            if edited
            else timing
        ),
        "removed_at": None,
        "updated_at": context.now,
    }
    yield {"row_id": row["id"], **{f"new_{name}": value for name, value in values.items()}}


def _edited(autopilot: Rescheduled, row: Row, trigger: Document) -> bool:
    """Whether the trigger begins anew."""
    before = autopilot.before.get(trigger["name"])
    return (
        row["removed_at"] is not None
        or row["stalled_at"] is not None
        or autopilot.revived
        or autopilot.pauses
        or autopilot.parked
        or before is None
        or _essence(before) != _essence(trigger)
    )


def _essence(trigger: Document) -> Document:
    """What decides when a trigger fires: all but what people read."""
    return {name: value for name, value in trigger.items() if name != "label"}


def _timing(
    id_: str,
    trigger: Document,
    parked: bool,
    context: ApplyContext,
    decided: datetime | None = None,
) -> Values:
    """From this moment on; what was due before is over.

    Occurrences up to `decided` stay decided where the clock went back a little meanwhile.
    """
    cursor = max(context.now, decided or context.now)
    if is_ahead(cursor, context.now, DECIDED_AHEAD):
        cursor = context.now
    dormant = parked or not trigger["enabled"] or trigger["kind"] != TriggerKind.SCHEDULE
    following = None if dormant else context.schedule(trigger, id_, cursor)
    return {
        "cursor": cursor,
        "decides_after": None if dormant else cursor,
        "next_run_at": following.run_at if following else None,
        "next_scheduled_for": following.scheduled_for if following else None,
        "zone_rules": rules_version(),
        "stalled_at": None,
        "stalled_reason": None,
    }


def _tokens(id_: str, trigger: Document, row: Row, context: ApplyContext) -> Values:
    """Another generation is another URL; the one before works for `tokenGrace` more."""
    if trigger["kind"] != TriggerKind.WEBHOOK:
        return _NO_TOKEN
    generation = trigger["tokenGeneration"]
    if row["token_generation"] == generation and row["webhook_token"]:
        return {name: row[name] for name in _TOKEN}
    grace = parse_duration(trigger["tokenGrace"])
    keeps = row["webhook_token"] is not None and grace > timedelta(0)
    return {
        "webhook_token": context.token_hash(id_, generation),
        "token_generation": generation,
        "previous_token": row["webhook_token"] if keeps else None,
        "previous_token_until": context.now + grace if keeps else None,
    }


def _left(rows: Iterable[Row], staying: AbstractSet[str]) -> list[Row]:
    return [row for row in rows if row["id"] not in staying and row["removed_at"] is None]


def record_lapsed(
    tx: Tx,
    before: Mapping[str, Mapping[str, Document]],
    held: Mapping[str, Mapping[str, Row]],
    context: ApplyContext,
) -> None:
    """Record what nobody decided of autopilots that leave: their triggers by id and name.

    What a stalled one missed ends here: nothing of it will be due again.
    """
    lapses = [
        missed
        for autopilot_id, triggers in before.items()
        for missed in _lapses(triggers, held[autopilot_id].values(), context)
    ]
    record_missed(tx, lapses, context.now)
    gone = [row["id"] for autopilot_id in before for row in held[autopilot_id].values()]
    close_stalled(tx, gone, context.now)


def _lapses(
    before: Mapping[str, Document], rows: Iterable[Row], context: ApplyContext
) -> Iterator[Missed]:
    """Every occurrence is a run or recorded, also those that a change overtook."""
    for row in rows:
        following, trigger = row["next_scheduled_for"], before.get(row["name"])
        if row["next_run_at"] is None or following is None or trigger is None:
            continue
        if following > context.now:
            continue
        cursor = row["cursor"] or row["created_at"]
        if span := context.lapsed(trigger, row["id"], cursor, context.now):
            yield Missed(row["id"], row["autopilot_id"], span, cursor)


def _hide(tx: Tx, ids: Sequence[str], now: datetime) -> None:
    """A removed trigger keeps its id and its runs; its URL ends at once."""
    values = {**_PARKED, **_NO_TOKEN, "removed_at": now, "updated_at": now}
    for batch in batches(sorted(ids)):
        tx.execute(update(autopilot_trigger).where(_T.id.in_(batch)).values(values))


def _update_statement() -> Any:
    names = (
        "position", "name", "kind", "enabled", "label", "cron_expression", "timezone",
        "webhook_secret", "spec", *_TOKEN, *_TIMING, "removed_at", "updated_at",
    )  # fmt: skip
    columns = {name: bindparam(f"new_{name}", type_=_T[name].type) for name in names}
    return update(autopilot_trigger).where(_T.id == bindparam("row_id")).values(columns)


_UPDATE = _update_statement()
