"""Plans and drift as text for people and terminals.

Lines of ours start in the first column; whatever comes from a manifest is indented and escaped, so
that no manifest can forge one.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from reconciler.cli.rendering.sentences import (
    NO_CHANGES,
    SYMBOLS,
    drift_sentence,
    has_changes,
    plan_sentence,
    problem_line,
    problems_sentence,
    warnings_sentence,
)
from reconciler.core.base.safe_text import escaped
from reconciler.core.plan.lines.consequences import consequence_lines
from reconciler.core.plan.lines.fields import Line, field_lines
from reconciler.core.plan.report import (
    BlockedReport,
    ChangeReport,
    DriftReport,
    FieldReport,
    ObjectReport,
    PlanReport,
    ProblemReport,
)

Styled = tuple[str, str]
"""A style (a key of `_STYLES`, or nothing) and a line."""

_STYLES = {
    "+": "green",
    "~": "yellow",
    ">": "cyan",
    "-": "red",
    "^": "magenta",
    "!": "bold red",
    "@": "cyan",
    "head": "bold",
    "dim": "dim",
}
_HIDDEN_IN_MOVES = {"metadata.name", "metadata.formerNames"}
"""The header of a move says both names."""


def render_text(report: PlanReport, *, color: bool = False, digest: bool = True) -> str:
    """A plan; `digest=False` leaves that line out (a diff of two revisions has no use for it)."""
    return _joined(_plan(report, digest), color)


def render_drift_text(drift: Sequence[DriftReport], *, color: bool = False) -> str:
    """What the command `drift` prints."""
    return _joined(_drift(drift), color)


def _plan(report: PlanReport, digest: bool) -> Iterator[Styled]:
    yield from _problems(report.problems)
    yield from _warnings(report.warnings)
    drifted = {_name(entry) for entry in report.drift}
    for change in report.changes:
        yield from _change(change, _name(change) in drifted)
    for blocked in report.blocked:
        yield from _blocked(blocked)
    yield from _drift_that_stays(report)
    if has_changes(report):
        yield "head", plan_sentence(report)
    elif not report.problems:
        yield "head", NO_CHANGES
    if digest and report.digest:
        yield "dim", f"Digest: {escaped(report.digest)}"


def _change(change: ChangeReport, drifted: bool) -> Iterator[Styled]:
    note = "drifted" if drifted else ""
    fields = change.fields
    if old := _old_name(change):
        note = f"was {old}, drifted" if drifted else f"was {old}"
        fields = tuple(field for field in fields if field.path not in _HIDDEN_IN_MOVES)
    yield _header(SYMBOLS.get(change.action, "?"), change, note)
    yield from _body(fields)
    yield from map(_indented, consequence_lines(change.consequences))
    yield "", ""


def _old_name(change: ChangeReport) -> str | None:
    """The name before a move, which is where a name can change."""
    names = (field.before for field in change.fields if field.path == "metadata.name")
    before = next(names, None) if change.action in ("move", "restore") else None
    return escaped(str(before)) if before else None


def _blocked(blocked: BlockedReport) -> Iterator[Styled]:
    yield _header(SYMBOLS["blocked"], blocked, blocked.code)
    yield "!", f"    {escaped(blocked.message)}"
    yield "", ""


def _header(symbol: str, of: ObjectReport | ChangeReport, note: str = "") -> Styled:
    where = f"  {escaped(of.position.path)}:{of.position.line}" if of.position else ""
    suffix = f"  ({escaped(note)})" if note else ""
    return symbol, f"{symbol} {_name(of)}{where}{suffix}"


def _name(of: ObjectReport | ChangeReport) -> str:
    return escaped(f"{of.kind} {of.workspace}/{of.name}")


def _body(fields: Iterable[FieldReport]) -> Iterator[Styled]:
    return (_indented(line) for line in field_lines(fields, inline=True))


def _indented(line: Line) -> Styled:
    mark = "" if line.mark == "@" else f"{line.mark} "
    return line.mark, f"    {'  ' * line.depth}{mark}{line.text}".rstrip()


def _drift_that_stays(report: PlanReport) -> Iterator[Styled]:
    touched = {_name(change) for change in report.changes}
    touched |= {_name(blocked) for blocked in report.blocked}
    left = [entry for entry in report.drift if _name(entry) not in touched]
    if left:
        yield "head", "Drifted, and left as it is:"
        for entry in left:
            yield from _drifted(entry)


def _drift(drift: Sequence[DriftReport]) -> Iterator[Styled]:
    for entry in drift:
        yield from _drifted(entry)
    yield "head", drift_sentence(len(drift))


def _drifted(entry: DriftReport) -> Iterator[Styled]:
    yield _header("~", entry)
    if entry.message:
        yield "~", f"    {escaped(entry.message)}"
    yield from _body(entry.fields)
    yield "", ""


def _problems(problems: Sequence[ProblemReport]) -> Iterator[Styled]:
    for problem in problems:
        yield "!", problem_line(problem)
    if problems:
        yield "head", problems_sentence(len(problems))


def _warnings(warnings: Sequence[ProblemReport]) -> Iterator[Styled]:
    for warning in warnings:
        yield "~", problem_line(warning, "warning: ")
    if warnings:
        yield "head", warnings_sentence(len(warnings))


def _joined(lines: Iterable[Styled], color: bool) -> str:
    paint = _painter() if color else _plain
    return "".join(f"{paint(style, text)}\n" for style, text in lines)


def _plain(_style: str, text: str) -> str:
    return text


def _painter() -> Callable[[str, str], str]:
    # Imported late: most output goes to files and pipes.
    from rich.color import ColorSystem
    from rich.style import Style

    styles = {name: Style.parse(style) for name, style in _STYLES.items()}

    def paint(style: str, text: str) -> str:
        known = styles.get(style)
        return known.render(text, color_system=ColorSystem.STANDARD) if known and text else text

    return paint
