"""`reconciler why`: the chain of decisions about an autopilot at one moment."""

from typing import Annotated

import typer

from reconciler.cli import options
from reconciler.cli.backend.open import runs_of
from reconciler.cli.backend.run_state import Document
from reconciler.cli.console import out, out_json
from reconciler.cli.moments import moment_of
from reconciler.cli.options import ListFormat
from reconciler.core.base.safe_text import escaped
from reconciler.settings import Settings


def why(
    name: Annotated[str, typer.Argument(metavar="NAME", help="name or workspace/name")],
    at: Annotated[
        str | None, typer.Option("--at", metavar="ISO", help="The moment; now by default.")
    ] = None,
    output: options.ListOutput = ListFormat.TEXT,
    database: options.Database = None,
    server: options.Server = None,
    token_file: options.TokenFile = None,
    config: options.Config = None,
) -> None:
    """Say why an autopilot ran, or did not, at a moment.

    Lists what decided: the switches, each trigger's last occurrence by then, and the run or the
    recorded interval that it became.
    """
    settings = Settings.load_for_state(
        config, server=server, database=database, token_file=token_file
    )
    with runs_of(settings) as state:
        told = state.why(name, None if at is None else moment_of("--at", at))
    if output is ListFormat.JSON:
        out_json(told)
    else:
        out(_text(told))


def _text(told: Document) -> str:
    lines = [f"at {told['at']}:"]
    lines += [
        f"  {escaped(step['subject'])}: {step['verdict']}: {escaped(step['why'])}"
        for step in told["steps"]
    ]
    return "\n".join(lines)
