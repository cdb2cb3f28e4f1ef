"""What follows from a change, as lines that text and Markdown share; nothing where nothing does."""

from collections.abc import Iterator

from reconciler.core.base.money import format_dollars, parse_dollars
from reconciler.core.base.safe_text import escaped
from reconciler.core.plan.lines.fields import Line
from reconciler.core.plan.report import (
    ConsequencesReport,
    DollarsPerDayReport,
    FireTimeReport,
    NextRunsReport,
    ReachedReport,
    RunsPerDayReport,
)


def consequence_lines(consequences: ConsequencesReport | None) -> Iterator[Line]:
    """Fire times, runs and dollars a day where they change, and what is newly reached."""
    if consequences is None:
        return
    if (next_runs := consequences.next_runs) and next_runs.before != next_runs.after:
        yield from _next_runs(next_runs)
    if (per_day := consequences.runs_per_day) and per_day.before != per_day.after:
        yield _runs_per_day(per_day)
    if (dollars := consequences.dollars_per_day) and dollars.is_news:
        yield _dollars_per_day(dollars)
    yield from _reached(consequences.newly_reaches)


def _next_runs(runs: NextRunsReport) -> Iterator[Line]:
    yield Line(" ", "next runs:")
    for mark, fire in runs.marked:
        yield Line(mark, _fire(fire), 1)
    if not runs.after:
        yield Line("+", "none", 1)


def _fire(fire: FireTimeReport) -> str:
    return escaped(f"{fire.local}  {fire.utc}  {fire.trigger}")


def _runs_per_day(runs: RunsPerDayReport) -> Line:
    before, after = _bound(runs.before), _bound(runs.after)
    return Line(" ", f"most runs a day: {before} -> {after}")


def _dollars_per_day(dollars: DollarsPerDayReport) -> Line:
    before, after = _amount(dollars.before), _amount(dollars.after)
    return Line(" ", f"most dollars a day: {before} -> {after}")


def _amount(dollars: float | None) -> str:
    return "unbounded" if dollars is None else format_dollars(parse_dollars(dollars))


def _bound(runs: int | None) -> str:
    return "unbounded" if runs is None else f"{runs:,}"


def _reached(reached: ReachedReport) -> Iterator[Line]:
    for words, names in reached.named:
        yield Line("+", f"newly reaches {words}: {escaped(', '.join(names))}")
