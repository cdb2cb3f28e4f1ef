"""`reconciler why`: the chain of decisions about an autopilot at one moment."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer

from reconciler.cli import options
from reconciler.cli.console import out, out_json
from reconciler.cli.lookup import find_autopilot
from reconciler.cli.moments import moment_of
from reconciler.cli.options import ListFormat
from reconciler.cli.rendering.safe_text import one_line
from reconciler.cli.session import opened
from reconciler.control.runs.explain import Retained, explain
from reconciler.control.runs.told import Step
from reconciler.core.manifest.fields import format_instant
from reconciler.settings import Settings


def why(
    name: Annotated[str, typer.Argument(metavar="NAME", help="name or workspace/name")],
    at: Annotated[
        str | None, typer.Option("--at", metavar="ISO", help="The moment; now by default.")
    ] = None,
    output: options.ListOutput = ListFormat.TEXT,
    database: options.Database = None,
    config: options.Config = None,
) -> None:
    """Say why an autopilot ran, or did not, at a moment.

    Lists what decided: the switches, each trigger's last occurrence by then, and the run or the
    recorded interval that it became.
    """
    settings = Settings.load(config, database=database)
    with opened(settings) as state:
        state.require_current_schema()
        stored = find_autopilot(state, name)
        now = state.read(state.now)
        moment = now if at is None else moment_of("--at", at)
        retained = Retained(settings.breaker_cooldown, settings.keep_runs)
        steps = state.read(lambda tx: explain(tx, stored.id, moment, now, retained))
    if output is ListFormat.JSON:
        out_json({"at": format_instant(moment), "steps": [asdict(step) for step in steps]})
    else:
        out(_text(moment, steps))


def _text(moment: datetime, steps: list[Step]) -> str:
    lines = [f"at {format_instant(moment)}:"]
    lines += [f"  {one_line(s.subject)}: {s.verdict}: {one_line(s.why)}" for s in steps]
    return "\n".join(lines)
