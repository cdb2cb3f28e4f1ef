"""`reconciler history`: the revisions that were tried, how each ended, and why."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer

from reconciler.cli import options
from reconciler.cli.backend.open import state_of
from reconciler.cli.console import out, out_json
from reconciler.cli.options import ListFormat
from reconciler.cli.rendering.table import table
from reconciler.core.base.errors import Problem
from reconciler.core.base.safe_text import escaped
from reconciler.settings import Settings

Attempt = dict[str, Any]
"""A revision that was tried, as `attempt_document` gives it."""
_COLUMNS = ("WHEN", "SOURCE", "REVISION", "RESULT", "CHANGES", "BY", "VIA", "SUBJECT")


def history(
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most so many.")] = 20,
    problems: Annotated[
        bool, typer.Option("--problems", help="Say below each revision what was wrong with it.")
    ] = False,
    output: options.ListOutput = ListFormat.TEXT,
    database: options.Database = None,
    server: options.Server = None,
    token_file: options.TokenFile = None,
    source: options.OnlySource = None,
    config: options.Config = None,
) -> None:
    """List the revisions that were tried, newest first, whether they were applied or not.

    [bold]applied[/bold] is in force; [bold]failed[/bold] has problems; [bold]refused[/bold] was
    unsafe, blocked or stale. JSON holds everything that is known of each.
    """
    settings = Settings.load_for_state(
        config, server=server, database=database, token_file=token_file
    )
    with state_of(settings) as state:
        attempts = state.history(source, limit)
    if output is ListFormat.JSON:
        out_json(attempts)
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
            shown = [str(Problem(**problem)) for problem in attempt["problems"]]
            yield from (f"    {escaped(_problem(text))}" for text in shown)
            if more := attempt["problemCount"] - len(shown):
                yield f"    … and {more:,} more; `reconciler validate` shows all"


def _problem(text: str) -> str:
    # What concerns no file has no place in one.
    return text.removeprefix(":1:1: ")


def _row(attempt: Attempt) -> tuple[str, ...]:
    return (
        attempt["createdAt"][:19],
        attempt["sourceId"],
        attempt["revision"][:12],
        attempt["result"],
        _changes(attempt),
        attempt["author"] or attempt["actor"],
        attempt["via"],
        (attempt["subject"] or "")[:60],
    )


def _changes(attempt: Attempt) -> str:
    """`2 create, 1 archive`; what does not change is not counted."""
    if count := attempt["problemCount"]:
        return f"{count:,} {'problem' if count == 1 else 'problems'}"
    counts = [f"{n} {what}" for what, n in attempt["counts"].items() if n and what != "unchanged"]
    return ", ".join(counts) or "none"
