"""`reconciler history`: the revisions that were tried, how each ended, and why."""

from collections.abc import Iterator, Sequence
from typing import Annotated

import typer

from reconciler.cli import options
from reconciler.cli.console import out, out_json
from reconciler.cli.options import ListFormat
from reconciler.cli.rendering.safe_text import one_line
from reconciler.cli.rendering.table import table
from reconciler.cli.session import opened
from reconciler.control.apply.inventory import attempt_document
from reconciler.control.apply.inventory import history as history_of
from reconciler.core.manifest.fields import format_instant
from reconciler.settings import Settings
from reconciler.store.revisions.revisions import Attempt

_COLUMNS = ("WHEN", "SOURCE", "REVISION", "RESULT", "CHANGES", "BY", "VIA", "SUBJECT")


def history(
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most so many.")] = 20,
    problems: Annotated[
        bool, typer.Option("--problems", help="Say below each revision what was wrong with it.")
    ] = False,
    output: options.ListOutput = ListFormat.TEXT,
    database: options.Database = None,
    source: options.OnlySource = None,
    config: options.Config = None,
) -> None:
    """List the revisions that were tried, newest first, whether they were applied or not.

    [bold]applied[/bold] is in force; [bold]failed[/bold] has problems; [bold]refused[/bold] was
    unsafe, blocked or stale. JSON holds everything that is known of each.
    """
    settings = Settings.load(config, database=database)
    with opened(settings) as state:
        state.require_current_schema()
        attempts = history_of(state, source, limit=limit)
    if output is ListFormat.JSON:
        out_json([attempt_document(attempt) for attempt in attempts])
    elif not attempts:
        out("no revisions")
    else:
        out("\n".join(_lines(attempts, problems=problems)))


def _lines(attempts: Sequence[Attempt], *, problems: bool) -> Iterator[str]:
    head, *rows = table(_COLUMNS, map(_row, attempts)).split("\n")
    yield head
    for row, attempt in zip(rows, attempts, strict=True):
        yield row
        if problems:
            yield from (f"    {one_line(_problem(text))}" for text in map(str, attempt.problems))
            if attempt.more_problems:
                yield f"    … and {attempt.more_problems:,} more; `reconciler validate` shows all"


def _problem(text: str) -> str:
    # What concerns no file has no place in one.
    return text.removeprefix(":1:1: ")


def _row(attempt: Attempt) -> tuple[str, ...]:
    return (
        format_instant(attempt.created_at)[:19],
        attempt.source_id,
        attempt.revision.id[:12],
        attempt.result.value,
        _changes(attempt),
        attempt.revision.author or attempt.actor,
        attempt.via.value,
        (attempt.revision.subject or "")[:60],
    )


def _changes(attempt: Attempt) -> str:
    """`2 create, 1 archive`; what does not change is not counted."""
    if count := attempt.problem_count:
        return f"{count:,} {'problem' if count == 1 else 'problems'}"
    counts = [f"{n} {what}" for what, n in attempt.counts.items() if n and what != "unchanged"]
    return ", ".join(counts) or "none"
