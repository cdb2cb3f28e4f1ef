"""The sentences that sum a plan up; the same in every output."""

from reconciler.core.base.safe_text import escaped
from reconciler.core.plan.report import PlanReport, ProblemReport

SYMBOLS = {
    "create": "+",
    "update": "~",
    "move": ">",
    "archive": "-",
    "restore": "^",
    "blocked": "!",
}
NO_CHANGES = "No changes. Everything is as the manifests say."


def plan_sentence(report: PlanReport) -> str:
    """`Plan: 1 to create, 1 to update, 0 to move, 1 to archive.` and what else there is."""
    counts = report.summary
    parts = [
        f"{counts.create} to create",
        f"{counts.update} to update",
        f"{counts.move} to move",
        f"{counts.archive} to archive",
    ]
    if counts.restore:
        parts.append(f"{counts.restore} to restore")
    if counts.blocked:
        parts.append(f"{counts.blocked} blocked")
    return f"Plan: {', '.join(parts)}."


def has_changes(report: PlanReport) -> bool:
    """Whether anything would be changed, or is blocked from it."""
    return bool(report.changes or report.blocked)


def problem_line(problem: ProblemReport, severity: str = "") -> str:
    """`PATH:LINE:COLUMN: FIELD: MESSAGE [CODE]`, escaped."""
    what = f"{problem.field}: {problem.message}" if problem.field else problem.message
    return escaped(
        f"{problem.path}:{problem.line}:{problem.column}: {severity}{what} [{problem.code}]"
    )


def problems_sentence(count: int) -> str:
    """`2 problems found.`"""
    return f"{count} {'problem' if count == 1 else 'problems'} found."


def warnings_sentence(count: int) -> str:
    """`2 warnings.`"""
    return f"{count} {'warning' if count == 1 else 'warnings'}."


def drift_sentence(count: int) -> str:
    """What `drift` says last."""
    if not count:
        return "No drift. Every object is as it was last applied."
    noun, verb = ("object", "is") if count == 1 else ("objects", "are")
    return f"Drift: {count} {noun} {verb} not as last applied."
