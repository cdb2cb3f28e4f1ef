"""A plan on stdout, and what apply would say against it."""

import sys
from collections.abc import Sequence

from reconciler.cli.console import colored, out, out_document, say
from reconciler.cli.options import PlanFormat
from reconciler.cli.rendering.json import render_json
from reconciler.cli.rendering.markdown import render_markdown
from reconciler.cli.rendering.text import render_text
from reconciler.core.base.errors import Objection
from reconciler.core.base.safe_text import escaped
from reconciler.core.plan.report import PlanReport


def show(
    report: PlanReport, output: PlanFormat, source: str, objections: Sequence[Objection] = ()
) -> None:
    """Write a plan to stdout in one of its formats; a comment also holds the objections."""
    match output:
        case PlanFormat.TEXT:
            out(render_text(report, color=colored(sys.stdout)))
        case PlanFormat.JSON:
            out_document(render_json(report))
        case PlanFormat.MARKDOWN:
            refusals = [objection_line(objection) for objection in objections]
            out_document(render_markdown(report, source_id=source, refusals=refusals))


def warn(objections: Sequence[Objection]) -> None:
    """Say on stderr why apply would refuse the plan, if it would."""
    if objections:
        say("apply would refuse this plan:")
        for objection in objections:
            say(f"  {objection_line(objection)}")


def objection_line(objection: Objection) -> str:
    """One reason on one line, with its code; the sentence names the flag that lifts it, if any."""
    return escaped(f"{objection.message} [{objection.code}]")
