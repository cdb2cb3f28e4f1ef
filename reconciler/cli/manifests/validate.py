"""`reconciler validate`: check manifests without any database or network."""

from enum import StrEnum
from typing import Annotated

import typer

from reconciler.cli import options
from reconciler.cli.console import out_document, out_exactly, say
from reconciler.cli.policy import offline_policy
from reconciler.cli.rendering.problems import render
from reconciler.clock import SystemClock
from reconciler.core.base.errors import InvalidManifests
from reconciler.core.manifest.state import Desired
from reconciler.manifest.load.load import load
from reconciler.manifest.load.several import Several


class ProblemFormat(StrEnum):
    """How Problems are written."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    SARIF = "sarif"


def validate(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH...", help="Folders and files of manifests; - reads a stream."),
    ],
    output: Annotated[
        ProblemFormat,
        typer.Option(
            "--output",
            "-o",
            help="text, json, annotations of github Actions, or sarif for code scanning.",
        ),
    ] = ProblemFormat.TEXT,
    allow_external: Annotated[
        bool,
        typer.Option(
            "--allow-external", help="Take unknown agents and squads for those of other sources."
        ),
    ] = False,
    config: options.Config = None,
    allow_command: options.AllowCommand = None,
) -> int:
    """Check manifests and report every problem of every file at once, in path and line order.

    Needs neither a database nor a network. All paths together are one set: references resolve over
    all of them, and a name is declared once in all. Exit code 3 if there are problems, warnings
    aside, 4 if there are no manifests at all.
    """
    try:
        desired = load(
            Several.at(paths),
            source_id="default",
            policy=offline_policy(config, allow_command),
            allow_external=allow_external,
            now=SystemClock().now(),
        )
    except InvalidManifests as error:
        _write(render(error.problems, output.value, error.warnings), output)
        say(f"error: {error}")
        return error.exit_code
    _write(render((), output.value, desired.warnings), output)
    say(_fine(desired))
    return 0


def _fine(desired: Desired) -> str:
    objects, files = len(desired.objects), len(desired.files)
    return (
        f"{objects} {'object' if objects == 1 else 'objects'} "
        f"in {files} {'file' if files == 1 else 'files'}, no problems{_warned(desired)}"
    )


def _warned(desired: Desired) -> str:
    count = len(desired.warnings)
    return f", {count} {'warning' if count == 1 else 'warnings'}" if count else ""


def _write(text: str, output: ProblemFormat) -> None:
    write = out_exactly if output is ProblemFormat.TEXT else out_document
    write(text)
