"""The options that several commands share, each declared once."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

Database = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        help="sqlite:///path or postgresql://… [env: RECONCILER_DATABASE]",
        show_default="sqlite:///.reconciler/state.db",
    ),
]
Server = Annotated[
    str | None,
    typer.Option(
        "--server",
        metavar="URL",
        help="Go through this running server instead of the database [env: RECONCILER_SERVER]",
        show_default="none",
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        metavar="FILE",
        help="Holds the API token for --server [env: RECONCILER_TOKEN, the token itself]",
        dir_okay=False,
        show_default="none",
    ),
]
Source = Annotated[
    str | None,
    typer.Option(
        "--source",
        metavar="NAME",
        help="The name of this set of manifests [env: RECONCILER_SOURCE]",
        show_default="default",
    ),
]
OnlySource = Annotated[
    str | None,
    typer.Option(
        "--source", metavar="NAME", help="Only this set of manifests.", show_default="all of them"
    ),
]
Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Settings in TOML.", dir_okay=False),
]
AllowCommand = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-command",
        metavar="NAME=PATH",
        help="A program that `command` runtimes may use; repeat it for more.",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


class PlanFormat(StrEnum):
    """How a plan is written."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


class ListFormat(StrEnum):
    """How a list is written."""

    TEXT = "text"
    JSON = "json"


PlanOutput = Annotated[PlanFormat, typer.Option("--output", "-o", help="How to write it.")]
ListOutput = Annotated[ListFormat, typer.Option("--output", "-o", help="How to write it.")]
