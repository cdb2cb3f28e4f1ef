"""What the agent of a run has written: while it works from its runtime, afterwards from the run."""

from dataclasses import dataclass
from pathlib import Path

from reconciler.control.access.secrets import SecretMissing
from reconciler.control.dispatching.context import RunnerContext
from reconciler.control.dispatching.jobs import build_job, handle_of, read_brief
from reconciler.core.manifest.runtime import CliRuntime, CommandRuntime
from reconciler.core.runs.result import RESULT_LIMIT, cut_result
from reconciler.core.runs.run import Run
from reconciler.dispatch.base import Elsewhere, Written
from reconciler.dispatch.cli.recipe import CodingAgents
from reconciler.dispatch.command.recipe import shown_plainly
from reconciler.dispatch.command.written import Shown, read_written
from reconciler.store.engine.database import Tx
from reconciler.store.objects.agents import find_agent
from reconciler.store.runs.outputs import get_output

ENDED = "end"
"""The position after which nothing comes."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """Reads outputs; whichever server of the host asks."""

    runner: RunnerContext

    async def read(self, run: Run, after: str | None) -> Written | Elsewhere | None:
        """What was written after a position; None where nothing is known.

        A run that has not begun has written nothing; of one that has ended all that is kept is
        told, whatever the position.
        """
        if run.ended:
            text = await self.runner.database.aread(lambda tx: kept_output(tx, run))
            return None if text is None else Written(text, ENDED)
        handle, agent = handle_of(run), run.agent
        if handle is None or agent is None:
            return Written("", after or "")
        brief = await self.runner.database.aread(
            lambda tx: read_brief(tx, run.id, run.workspace, agent)
        )
        if brief is None:
            return None
        try:
            job = build_job(brief, self.runner.secret_store, self.runner.settings.base_url, "")
        except SecretMissing:
            return None
        written = await self.runner.runtimes.output(job, handle, after)
        return bounded(written) if isinstance(written, Written) else written


def kept_output(tx: Tx, run: Run) -> str | None:
    """What is kept of the output of a run that has ended; its result where that is the output."""
    if isinstance(run.result, str):
        return run.result
    return get_output(tx, run.id)


def read_here(tx: Tx, run: Run, after: str | None, runs_dir: Path) -> Written | Elsewhere | None:
    """The same without a server: only what programs of this host write can be read."""
    if run.ended:
        text = kept_output(tx, run)
        return None if text is None else Written(text, ENDED)
    handle = handle_of(run)
    if handle is None or run.agent is None:
        return Written("", after or "")
    agent = find_agent(tx, run.workspace, run.agent)
    match agent.runtime if agent else None:
        case CommandRuntime():
            shown: Shown = shown_plainly
        case CliRuntime() as runtime:
            shown = CodingAgents(()).shown(runtime)
        case _:
            return None
    written = read_written(runs_dir.absolute(), run.id, handle, after, shown)
    return bounded(written) if isinstance(written, Written) else written


def bounded(written: Written) -> Written:
    """As much of its tail as is told at once."""
    text = str(cut_result(written.text, RESULT_LIMIT))
    return Written(text, written.position, written.cut or text != written.text)
