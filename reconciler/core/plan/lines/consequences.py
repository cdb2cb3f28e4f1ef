"""What follows from a change, as lines that text and Markdown share; nothing where nothing does."""

from collections.abc import Iterator, Sequence

from reconciler.core.base.money import format_dollars, parse_dollars
from reconciler.core.base.safe_text import one_line
from reconciler.core.plan.lines.fields import Line
from reconciler.core.plan.report import (
    ConsequencesReport,
    DollarsPerDayReport,
    FireTimeReport,
    NextRunsReport,
    ReachedReport,
    RunsPerDayReport,
)

_REACHED = {
    "secrets": "secrets",
    "hosts": "hosts",
    "programs": "programs",
    "permission_modes": "permission modes",
    "env": "environment variables",
    "folders": "folders",
    "channels": "channels",
}


def consequence_lines(consequences: ConsequencesReport | None) -> Iterator[Line]:
    """Fire times, runs and dollars a day where they change, and what is newly reached."""
    if consequences is None:
        return
    if (next_runs := consequences.next_runs) and next_runs.before != next_runs.after:
        yield from _next_runs(next_runs)
    if (per_day := consequences.runs_per_day) and per_day.before != per_day.after:
        yield _runs_per_day(per_day)
    if (dollars := consequences.dollars_per_day) and _is_news(dollars):
        yield _dollars_per_day(dollars)
    yield from _reached(consequences.newly_reaches)


def _next_runs(runs: NextRunsReport) -> Iterator[Line]:
    yield Line(" ", "next runs:")
    both = [fire for fire in runs.before if fire in runs.after]
    entries = [
        *(("-", fire) for fire in _without(runs.before, both)),
        *((" ", fire) for fire in both),
        *(("+", fire) for fire in _without(runs.after, both)),
    ]
    # Texts of UTC in one format sort as the moments do.
    for mark, fire in sorted(entries, key=lambda entry: entry[1].utc):
        yield Line(mark, _fire(fire), 1)
    if not runs.after:
        yield Line("+", "none", 1)


def _without(
    fires: Sequence[FireTimeReport], others: Sequence[FireTimeReport]
) -> Iterator[FireTimeReport]:
    return (fire for fire in fires if fire not in others)


def _fire(fire: FireTimeReport) -> str:
    return one_line(f"{fire.local}  {fire.utc}  {fire.trigger}")


def _runs_per_day(runs: RunsPerDayReport) -> Line:
    before, after = _bound(runs.before), _bound(runs.after)
    return Line(" ", f"most runs a day: {before} -> {after}")


def _is_news(dollars: DollarsPerDayReport) -> bool:
    """Without any budget nothing is known of money: that a run begins or ceases to be says less."""
    both = {dollars.before, dollars.after}
    return len(both) == 2 and both != {None, 0}


def _dollars_per_day(dollars: DollarsPerDayReport) -> Line:
    before, after = _amount(dollars.before), _amount(dollars.after)
    return Line(" ", f"most dollars a day: {before} -> {after}")


def _amount(dollars: float | None) -> str:
    return "unbounded" if dollars is None else format_dollars(parse_dollars(dollars))


def _bound(runs: int | None) -> str:
    return "unbounded" if runs is None else f"{runs:,}"


def _reached(reached: ReachedReport) -> Iterator[Line]:
    for field, words in _REACHED.items():
        if names := getattr(reached, field):
            yield Line("+", f"newly reaches {words}: {one_line(', '.join(names))}")
