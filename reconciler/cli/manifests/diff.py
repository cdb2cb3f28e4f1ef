"""`reconciler diff`: what changes in meaning between two git revisions, without a database."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli import options
from reconciler.cli.console import colored, out, out_document, say
from reconciler.cli.options import PlanFormat
from reconciler.cli.policy import offline_policy
from reconciler.cli.rendering.json import render_json
from reconciler.cli.rendering.markdown import render_markdown
from reconciler.cli.rendering.problems import below
from reconciler.cli.rendering.text import render_text
from reconciler.clock import SystemClock
from reconciler.core.base.errors import InvalidManifests, Objection, Refused
from reconciler.core.manifest.checks import Policy
from reconciler.core.manifest.state import Desired
from reconciler.core.plan.plan import semantic_plan
from reconciler.core.plan.report import PlanReport, report_of, report_of_problems
from reconciler.manifest.git.discovery import repository_around
from reconciler.manifest.git.repository import Repository
from reconciler.manifest.load.load import load, reuse_of

_NOTHING = ("source-missing", "empty-source")


def diff(
    base: Annotated[str, typer.Option("--base", metavar="REV", help="The revision before.")],
    head: Annotated[
        str, typer.Option("--head", metavar="REV", help="The revision after.")
    ] = "HEAD",
    path: Annotated[str, typer.Argument(metavar="PATH", help="The folder of the manifests.")] = ".",
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit with 2 if there are changes.")
    ] = False,
    output: options.PlanOutput = PlanFormat.TEXT,
    source: Annotated[
        str, typer.Option("--source", metavar="NAME", help="For the marker of a comment.")
    ] = "default",
    config: options.Config = None,
    allow_command: options.AllowCommand = None,
) -> int:
    """Compare what the manifests mean at two git revisions; no database is needed.

    Comments, order, formatting and explicit defaults are no change. REV is anything that git
    understands; what is in the working tree is not read. Agents and squads that PATH does not
    declare are taken for those of other sources. Exit code 3 if either revision is invalid.
    """
    repository, inside = repository_around(Path(path), base, head)
    policy = offline_policy(config, allow_command)
    try:
        before = _desired(repository, base, inside, path, source, policy)
        after = _desired(repository, head, inside, path, source, policy, before)
    except InvalidManifests as error:
        if output is PlanFormat.TEXT:
            raise
        revision = error.revision.id if error.revision else ""
        _show(report_of_problems(revision, error.problems), output, source)
        return error.exit_code
    if not (before.files or after.files):
        revisions = f"neither {base} nor {head} has" if base != head else f"{base} has no"
        message = f"{revisions} manifests at {path}; is it mistyped?"
        raise Refused([Objection("source-missing", message)])
    made = semantic_plan(before, after, SystemClock().now())
    _show(report_of(made), output, source)
    return 2 if detailed_exitcode and not made.is_empty else 0


def _desired(
    repository: Repository,
    name: str,
    inside: str,
    path: str,
    source: str,
    policy: Policy,
    known: Desired | None = None,
) -> Desired:
    """What the manifests say at a revision. Files that `known` has just so are not parsed again."""
    revision = repository.revision(repository.resolve(name))
    try:
        return load(
            repository.tree(revision.id, inside),
            source_id=source,
            revision=revision,
            policy=policy,
            allow_external=True,
            reuse=reuse_of({file.path: file for file in known.files}, known.objects)
            if known
            else None,
        )
    except InvalidManifests as error:
        say(f"the manifests at {name} ({revision.id[:12]}) are invalid:")
        raise InvalidManifests(below(error.problems, path), revision=revision) from None
    except Refused as error:
        if all(objection.code in _NOTHING for objection in error.objections):
            return Desired(source, revision, {})  # it came, or went, between the two
        raise


def _show(report: PlanReport, output: PlanFormat, source: str) -> None:
    match output:
        case PlanFormat.TEXT:
            out(render_text(report, color=colored(sys.stdout), digest=False))
        case PlanFormat.JSON:
            out_document(render_json(report))
        case PlanFormat.MARKDOWN:
            title = "What changes in the manifests"
            out_document(render_markdown(report, source_id=source, title=title))
