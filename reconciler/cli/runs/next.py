"""`reconciler next`: when a schedule fires, for an autopilot or for any cron expression."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from reconciler.cli import options
from reconciler.cli.backend.open import runs_of
from reconciler.cli.backend.run_state import Document
from reconciler.cli.console import out, out_json, say
from reconciler.cli.moments import moment_of
from reconciler.cli.options import ListFormat
from reconciler.control.unreadable import unreadable
from reconciler.core.base.errors import UsageError
from reconciler.core.calendar.schedule import occurrences
from reconciler.core.schedule.outlook import occurrence_document
from reconciler.settings import Settings


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
    server: options.Server = None,
    token_file: options.TokenFile = None,
    config: options.Config = None,
) -> None:
    """Show when a schedule fires: local time with its offset, UTC, and what a clock change does.

    Nominal moments are shown; jitter, pauses and policies come on top.
    """
    start = None if after is None else moment_of("--after", after)
    if (name is None) == (cron is None):
        raise UsageError("say which: an autopilot's NAME, or --cron EXPR")
    if cron is not None:
        moments = occurrences(cron, timezone, start or datetime.now(UTC), count)
        _show({"": [occurrence_document(moment) for moment in moments]}, output)
        return
    settings = Settings.load_for_state(
        config, server=server, database=database, token_file=token_file
    )
    with runs_of(settings) as state:
        outlook = state.outlook(name or "", start, count)
    _remark(name or "", outlook)
    _show(_by_trigger(outlook), output)


def _remark(name: str, outlook: Document) -> None:
    """Say on stderr what does not fire, and why."""
    if reason := outlook["notInForceReason"]:
        say(f"{name} takes no work now: {reason}")
    for trigger in outlook["triggers"]:
        what = f"trigger {trigger['trigger']} of {name}"
        if halted := trigger["halted"]:
            say(f"{what} fires nothing: {halted}")
        elif not trigger["readable"]:
            say(f"warning: {unreadable(what)}")


def _by_trigger(outlook: Document) -> dict[str, list[Document]]:
    """The coming moments of each schedule trigger that may have any."""
    rows: dict[str, list[Document]] = {
        trigger["trigger"]: []
        for trigger in outlook["triggers"]
        if trigger["readable"] and trigger["halted"] is None
    }
    for item in outlook["items"]:
        entry = {"utc": item["utc"], "local": item["local"], "note": item["note"]}
        rows.setdefault(item["trigger"], []).append(entry)
    return rows


def _show(by_trigger: dict[str, list[Document]], output: ListFormat) -> None:
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
