"""What `runs approve` and `runs reject` do: show the question, ask, and answer just that one."""

import typer

from reconciler.cli.backend.run_state import Document, RunState
from reconciler.cli.console import interactive, note_done, say
from reconciler.core.base.errors import UsageError
from reconciler.core.base.safe_text import escaped
from reconciler.core.runs.approval import Decision


def answer(state: RunState, run_id: str, decision: Decision, *, yes: bool) -> Document | None:
    """Answer what the agent of a run asks; None where the person thought better of it.

    The question goes along with the answer: an agent that asks something else by then gets none.
    """
    asked = state.question_of(run_id)
    question = str(asked["question"])
    say(f"run {run_id} asks: {escaped(question)}")
    # What has to be answered elsewhere is refused by the answer: nobody is asked about it.
    if not (yes or asked["answerAt"]) and not _agreed(decision):
        return None
    decided = state.decide_run(run_id, decision, question)
    note_done(f"run {run_id}: {decision}; its agent is told by a running server")
    return decided


def _agreed(decision: Decision) -> bool:
    if not interactive():
        raise UsageError("nobody is here to be asked; give --yes to answer this question")
    verb = {Decision.APPROVED: "Approve", Decision.REJECTED: "Reject"}[decision]
    if typer.confirm(f"{verb} it?", err=True):
        return True
    say("nothing was answered")
    return False
