"""A plan as a pull-request comment.

A hidden marker lets CI find and replace its own comment. What comes from manifests stands in
fences and `<code>` only, so that it can neither break out, nor run as HTML, nor notify anybody.
"""

import html
import re
from collections.abc import Iterator, Sequence

from reconciler.cli.rendering.sentences import (
    NO_CHANGES,
    SYMBOLS,
    has_changes,
    plan_sentence,
    problem_line,
    problems_sentence,
    warnings_sentence,
)
from reconciler.core.base.safe_text import escaped
from reconciler.core.plan.lines.consequences import consequence_lines
from reconciler.core.plan.lines.fields import Line, field_lines
from reconciler.core.plan.report import BlockedReport, ChangeReport, DriftReport, PlanReport

MAX_CHARACTERS = 65_536
"""What GitHub takes as a comment."""
_TAIL = 400
"""Kept free for the sentence about the cut and the digest."""

_MOST, _LONGEST = 10, 500
"""Reasons of a refusal that are shown, and characters of each."""
_MOST_LINES = 50
"""Lines that are shown of why no plan could be made."""

_Block = tuple[str, str]
"""A header in HTML and the fenced part below it."""


def render_markdown(
    report: PlanReport,
    source_id: str = "default",
    *,
    title: str = "Reconciler plan",
    refusals: Sequence[str] = (),
) -> str:
    """The comment: marker, summary, why apply refuses it, one collapsible part per object, digest.

    Never longer than `MAX_CHARACTERS`. Parts that do not fit are left out from the end, and how
    many is said; the summary always stands.
    """
    head = f"{marker(source_id)}\n### {title}\n\n{_summary(report)}\n{_refused(refusals)}"
    tail = (
        f"\n<sub>Digest: <code>{_code(report.digest[:64])}</code></sub>\n" if report.digest else ""
    )
    return _fitted(head, _blocks(report), _count(report), tail)


def render_failure(messages: str, source_id: str = "default") -> str:
    """The comment where no plan could be made: what was said about it, in place of an old plan."""
    lines = [escaped(line)[:_LONGEST] for line in messages.splitlines() if line.strip()]
    shown = lines[-_MOST_LINES:] or ["nothing was said about it"]
    return (
        f"{marker(source_id)}\n### Reconciler plan\n\n"
        f"**No plan could be made.** Nothing will be applied.\n{_fence(shown)}"
    )


def marker(source_id: str) -> str:
    """`<!-- reconciler-plan:SOURCE -->`: the first line, by which CI finds its comment."""
    safe = re.sub(r"[^A-Za-z0-9._/-]", _percent, source_id)
    # Two hyphens would end the comment.
    return f"<!-- reconciler-plan:{safe.replace('--', '-%2D').replace('--', '-%2D')} -->"


def _percent(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogatepass"))


def _summary(report: PlanReport) -> str:
    if report.problems:
        return f"**{problems_sentence(len(report.problems))}** Nothing will be applied."
    return f"**{plan_sentence(report)}**" if has_changes(report) else NO_CHANGES


def _refused(refusals: Sequence[str]) -> str:
    if not refusals:
        return ""
    more = [f"and {len(refusals) - _MOST} more"] if len(refusals) > _MOST else []
    lines = [escaped(line)[:_LONGEST] for line in refusals[:_MOST]]
    return f"\n**`apply` refuses this plan:**\n{_fence([*lines, *more])}"


def _fitted(head: str, blocks: Iterator[_Block], count: int, tail: str) -> str:
    room = MAX_CHARACTERS - _size(head) - _size(tail) - _TAIL
    parts, left_out = [], 0
    for number, (header, body) in enumerate(blocks):
        part = _details(header, body)
        if _size(part) > room:
            part, left_out = _details(header, _LEFT_OUT), left_out + 1
        if _size(part) > room:
            left_out += count - number - 1
            break
        room -= _size(part)
        parts.append(part)
    return head + "".join(parts) + (_cut(left_out, count) if left_out else "") + tail


_LEFT_OUT = "\nNot shown: there is no room left for it in this comment.\n"


def _cut(left_out: int, count: int) -> str:
    return (
        f"\n**Cut**: {left_out} of {count} parts are not shown in full, because a comment holds "
        f"{MAX_CHARACTERS:,} characters. `reconciler plan` shows all.\n"
    )


def _size(text: str) -> int:
    """Characters as the strictest counter sees them: UTF-16 units."""
    return len(text) + sum(char > "\uffff" for char in text)


def _blocks(report: PlanReport) -> Iterator[_Block]:
    if report.problems:
        yield problems_sentence(len(report.problems)), _fence(map(problem_line, report.problems))
    if report.warnings:
        yield warnings_sentence(len(report.warnings)), _fence(map(problem_line, report.warnings))
    for blocked in report.blocked:
        yield _header(SYMBOLS["blocked"], blocked), _fence([escaped(blocked.message)])
    for change in report.changes:
        yield _header(SYMBOLS.get(change.action, "?"), change), _body(change)
    for drift in _drift_that_stays(report):
        yield _header("drifted:", drift), _body(drift)


def _drift_that_stays(report: PlanReport) -> list[DriftReport]:
    touched = {(change.kind, change.workspace, change.name) for change in report.changes}
    return [d for d in report.drift if (d.kind, d.workspace, d.name) not in touched]


def _count(report: PlanReport) -> int:
    """How many blocks there are, without making them."""
    objects = len(report.blocked) + len(report.changes) + len(_drift_that_stays(report))
    return objects + bool(report.problems) + bool(report.warnings)


def _header(symbol: str, of: ChangeReport | BlockedReport | DriftReport) -> str:
    name = _code(f"{symbol} {of.kind} {of.workspace}/{of.name}")
    if of.position is None:
        return f"<code>{name}</code>"
    where = _code(f"{of.position.path}:{of.position.line}")
    return f"<code>{name}</code> <code>{where}</code>"


def _code(text: str) -> str:
    """Escaped for HTML; `@` too, or it would notify whoever is called so."""
    return html.escape(escaped(text)).replace("@", "&#64;")


def _body(of: ChangeReport | DriftReport) -> str:
    lines = [_diff_line(line) for line in field_lines(of.fields, inline=False)]
    if isinstance(of, DriftReport) and of.message:
        lines.insert(0, f"! {escaped(of.message)}")
    if isinstance(of, ChangeReport):
        lines += map(_diff_line, consequence_lines(of.consequences))
    return _fence(lines, "diff") if lines else "\n"


def _diff_line(line: Line) -> str:
    if line.mark == "@":
        return line.text
    mark = " " if line.mark == "~" else line.mark
    return f"{mark} {'  ' * line.depth}{line.text}".rstrip()


def _fence(lines: list[str] | Iterator[str], language: str = "") -> str:
    text = "\n".join(lines)
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"\n{fence}{language}\n{text}\n{fence}\n"


def _details(header: str, body: str) -> str:
    return f"\n<details><summary>{header}</summary>\n{body}\n</details>\n"
