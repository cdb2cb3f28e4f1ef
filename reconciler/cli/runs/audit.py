"""`reconciler audit`: is every occurrence and accepted delivery of a time accounted for?"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from reconciler.cli import options
from reconciler.cli.backend.open import state_of
from reconciler.cli.console import out, out_json
from reconciler.cli.moments import moment_of
from reconciler.cli.options import ListFormat
from reconciler.cli.progress import progress
from reconciler.cli.rendering.table import table
from reconciler.core.base.safe_text import escaped
from reconciler.settings import Settings


def audit(
    since: Annotated[str, typer.Option("--from", metavar="ISO", help="The first moment.")],
    until: Annotated[str, typer.Option("--to", metavar="ISO", help="Not included.")],
    output: options.ListOutput = ListFormat.TEXT,
    database: options.Database = None,
    server: options.Server = None,
    token_file: options.TokenFile = None,
    config: options.Config = None,
) -> int:
    """Set every occurrence and accepted delivery of a time beside its run, reason or interval.

    Exit code 1 where one is missing. What cannot be known (a trigger before its last change, rows
    that are no longer kept) is said.
    """
    settings = Settings.load_for_state(
        config, server=server, database=database, token_file=token_file
    )
    first, end = moment_of("--from", since), moment_of("--to", until)
    with state_of(settings) as state, progress("auditing"):
        outcome = state.audit(first, end)
    if output is ListFormat.JSON:
        out_json(outcome)
    else:
        out("\n".join(_lines(outcome)))
    return int(not outcome["complete"])


def _lines(audit: Mapping[str, Any]) -> Iterator[str]:
    """The sentences of an audit; a server's answer is no more trusted than any other text."""
    yield f"from {audit['from']} to {audit['to']}:"
    if audit["items"]:
        yield table(("TRIGGER", "WHAT", "COUNT", "BECAME"), _rows(audit["items"]))
    for missing in audit["missing"]:
        what = f"{missing['kind']} {_place(missing)} at {missing['at']}"
        yield escaped(f"missing: {what}: {missing['why']}")
    for unknown in audit["unknown"]:
        where = f" of {place}" if (place := _place(unknown)) else ""
        stretch = f"from {unknown['from']} to {unknown['to']}"
        yield escaped(f"unknown{where} {stretch}: {unknown['why']}")
    yield _verdict(audit)


def _place(row: Mapping[str, Any]) -> str:
    """`workspace/autopilot/trigger`, as far as it is known."""
    return "/".join(row[part] for part in ("workspace", "autopilot", "trigger") if row[part])


def _rows(items: list[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    counts: dict[tuple[str, str], Counter[str]] = {}
    for item in items:
        counts.setdefault((_place(item), item["kind"]), Counter())[item["became"]] += 1
    for (place, kind), counter in counts.items():
        words = ", ".join(f"{count:,} {word}" for word, count in counter.most_common())
        yield place, kind, f"{counter.total():,}", words


def _verdict(audit: Mapping[str, Any]) -> str:
    accounted, missing = len(audit["items"]), len(audit["missing"])
    if missing:
        return f"{missing:,} missing, {accounted:,} accounted for"
    limits = ", as far as it can be known" if audit["unknown"] else ""
    return f"complete: all {accounted:,} are accounted for{limits}"
