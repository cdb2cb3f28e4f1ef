"""`reconciler next`: when a schedule fires, for an autopilot or for any cron expression."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from reconciler.cli import options
from reconciler.cli.console import out, out_json, say
from reconciler.cli.lookup import find_autopilot
from reconciler.cli.options import ListFormat
from reconciler.cli.session import opened
from reconciler.control.unreadable import unreadable
from reconciler.core.base.errors import UsageError
from reconciler.core.calendar.errors import ScheduleError
from reconciler.core.calendar.schedule import Occurrence, local_time, occurrences
from reconciler.core.calendar.timetable import CronSchedule
from reconciler.core.manifest.fields import format_instant, parse_instant
from reconciler.core.manifest.trigger import ScheduleTrigger, TriggerKind
from reconciler.core.runs.ahead import DECIDED_AHEAD, is_ahead
from reconciler.core.runs.standing import NotInForce, standing_of
from reconciler.core.schedule.agenda import Agenda
from reconciler.settings import Settings
from reconciler.store.objects.triggers import NamedTrigger, list_triggers
from reconciler.store.runs.switches import read_switches


def next_(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="name or workspace/name")
    ] = None,
    cron: Annotated[
        str | None,
        typer.Option("--cron", metavar="EXPR", help="Instead of NAME: a cron expression."),
    ] = None,
    timezone: Annotated[
        str, typer.Option("--timezone", metavar="TZ", help="The time zone of --cron.")
    ] = "UTC",
    after: Annotated[
        str | None,
        typer.Option("--after", metavar="ISO", help="From this moment on; now by default."),
    ] = None,
    count: Annotated[int, typer.Option("--count", min=1, max=1000, help="How many.")] = 5,
    output: options.ListOutput = ListFormat.TEXT,
    database: options.Database = None,
    config: options.Config = None,
) -> None:
    """Show when a schedule fires: local time with its offset, UTC, and what a clock change does.

    Nominal moments are shown; jitter, pauses and policies come on top.
    """
    start = _moment(after)
    if (name is None) == (cron is None):
        raise UsageError("say which: an autopilot's NAME, or --cron EXPR")
    if cron is not None:
        rows = [_entry(moment) for moment in occurrences(cron, timezone, start, count)]
        _show({"": rows}, output)
        return
    settings = Settings.load(config, database=database)
    _show(_of_autopilot(settings, name or "", start, count, announced=after is None), output)


def _moment(text: str | None) -> datetime:
    if text is None:
        return datetime.now(UTC)
    try:
        return parse_instant(text)
    except ValueError as error:
        raise UsageError(f"--after: {error}") from None


def _of_autopilot(
    settings: Settings, name: str, start: datetime, count: int, *, announced: bool
) -> dict[str, list[dict[str, Any]]]:
    """The coming moments of each schedule trigger.

    `announced`: they are what will happen, not what the schedules mean from some moment on. Then an
    autopilot that takes no work has none, and the reason is said.
    """
    with opened(settings) as state:
        state.require_current_schema()
        stored = find_autopilot(state, name)
        triggers = state.read(lambda tx: list_triggers(tx, stored.id))
        now = state.read(state.now)
        switches = state.read(lambda tx: read_switches(tx, [stored.id]))[stored.id].switches
    standing = standing_of(switches, settings.breaker_cooldown, now)
    if isinstance(standing, NotInForce):
        say(f"{name} takes no work now: {standing.why}")
        if announced:
            return {}
    by_trigger: dict[str, list[dict[str, Any]]] = {}
    for trigger in triggers:
        if trigger.kind != TriggerKind.SCHEDULE:
            continue
        if halted := _halted(trigger, now):
            say(f"trigger {trigger.name} of {name} fires nothing: {halted}")
            if announced:
                continue
        try:
            by_trigger[trigger.name] = [
                _entry(moment) for moment in _occurrences(trigger, start, count)
            ]
        except (ScheduleError, ValueError):
            say(f"warning: {unreadable(f'trigger {trigger.name} of {name}')}")
    return by_trigger


def _halted(trigger: NamedTrigger, now: datetime) -> str | None:
    """Why a trigger does not fire though its schedule has moments to come."""
    if not trigger.enabled:
        return "the manifest says enabled: false"
    if trigger.stalled_reason is not None:
        return f"it is stalled: {trigger.stalled_reason}"
    if trigger.cursor is not None and is_ahead(trigger.cursor, now, DECIDED_AHEAD):
        until = format_instant(trigger.cursor)
        return f"a clock that was ahead left it decided up to {until}; a server puts that right"
    return None


def _occurrences(trigger: NamedTrigger, start: datetime, count: int) -> list[Occurrence]:
    """Cron expressions with their notes; other schedules have none to make."""
    spec = ScheduleTrigger.model_validate(trigger.document)
    agenda = Agenda.of(trigger.id, spec)
    coming: list[Occurrence] = []
    at = start
    while len(coming) < count and (following := agenda.next_after(at)) is not None:
        at = following
        coming.append(_explained(agenda, spec.timezone, at))
    return coming


def _explained(agenda: Agenda, timezone: str, at: datetime) -> Occurrence:
    if isinstance(agenda.schedule, CronSchedule):
        just_before = at.replace(microsecond=0) - _STEP
        return occurrences(agenda.schedule.expr, timezone, just_before, 1)[0]
    return Occurrence(at, local_time(at, timezone), None)


_STEP = datetime.resolution


def _entry(moment: Occurrence) -> dict[str, Any]:
    return {
        "utc": format_instant(moment.at),
        "local": moment.local.isoformat(),
        "note": moment.note,
    }


def _show(by_trigger: dict[str, list[dict[str, Any]]], output: ListFormat) -> None:
    if output is ListFormat.JSON:
        entries = [
            {**entry, "trigger": name} if name else entry
            for name, rows in by_trigger.items()
            for entry in rows
        ]
        out_json(sorted(entries, key=lambda entry: entry["utc"]))
        return
    if not by_trigger:
        out("nothing is scheduled")
    for name, rows in by_trigger.items():
        if name:
            out(f"{name}:")
        for row in rows or [{"local": "never again", "utc": "", "note": None}]:
            note = f"  {row['note']}" if row["note"] else ""
            out(f"  {row['local']}  {row['utc']}{note}")
