"""`reconciler audit`: is every occurrence and accepted delivery of a time accounted for?"""

from collections import Counter
from collections.abc import Iterator
from typing import Annotated

import typer

from reconciler.cli import options
from reconciler.cli.console import out, out_json
from reconciler.cli.moments import moment_of
from reconciler.cli.options import ListFormat
from reconciler.cli.progress import progress
from reconciler.cli.rendering.safe_text import one_line
from reconciler.cli.rendering.table import table
from reconciler.cli.session import opened
from reconciler.control.prune import COUNTED
from reconciler.control.runs.auditing import AuditRetention, audit_period
from reconciler.core.manifest.fields import format_instant
from reconciler.core.schedule.audit import Audit, Entry, Unknown
from reconciler.core.schedule.audit_report import audit_document, became
from reconciler.settings import Settings


def audit(
    since: Annotated[str, typer.Option("--from", metavar="ISO", help="The first moment.")],
    until: Annotated[str, typer.Option("--to", metavar="ISO", help="Not included.")],
    output: options.ListOutput = ListFormat.TEXT,
    database: options.Database = None,
    config: options.Config = None,
) -> int:
    """Set every occurrence and accepted delivery of a time beside its run, reason or interval.

    Exit code 1 where one is missing. What cannot be known (a trigger before its last change, rows
    that are no longer kept) is said.
    """
    settings = Settings.load(config, database=database)
    retention = AuditRetention(max(settings.keep_runs, COUNTED), settings.keep_deliveries)
    first, end = moment_of("--from", since), moment_of("--to", until)
    with opened(settings) as state, progress("auditing"):
        state.require_current_schema()
        outcome = state.read(lambda tx: audit_period(tx, first, end, state.now(tx), retention))
    if output is ListFormat.JSON:
        out_json(audit_document(outcome))
    else:
        out("\n".join(_lines(outcome)))
    return int(not outcome.complete)


def _lines(outcome: Audit) -> Iterator[str]:
    period = outcome.period
    yield f"from {format_instant(period.since)} to {format_instant(period.until)}:"
    if outcome.entries:
        yield table(("TRIGGER", "WHAT", "COUNT", "BECAME"), _rows(outcome.entries))
    for missing in outcome.missing:
        at = format_instant(missing.at)
        yield one_line(f"missing: {missing.kind} {missing.place} at {at}: {missing.why}")
    for unknown in outcome.unknown:
        yield one_line(_unknown(unknown))
    yield _verdict(outcome)


def _rows(entries: list[Entry]) -> Iterator[tuple[str, ...]]:
    counts: dict[tuple[str, str], Counter[str]] = {}
    for entry in entries:
        counts.setdefault((str(entry.place), entry.kind), Counter())[became(entry)] += 1
    for (place, kind), counter in counts.items():
        words = ", ".join(f"{count:,} {word}" for word, count in counter.most_common())
        yield place, kind, f"{counter.total():,}", words


def _unknown(unknown: Unknown) -> str:
    where = f" of {unknown.place}" if unknown.place else ""
    since, until = format_instant(unknown.since), format_instant(unknown.until)
    return f"unknown{where} from {since} to {until}: {unknown.why}"


def _verdict(outcome: Audit) -> str:
    accounted, missing = len(outcome.entries), len(outcome.missing)
    if missing:
        return f"{missing:,} missing, {accounted:,} accounted for"
    limits = ", as far as it can be known" if outcome.unknown else ""
    return f"complete: all {accounted:,} are accounted for{limits}"
