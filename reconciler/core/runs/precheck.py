"""What a precheck's exit status says: go on, or there is nothing to do (docs/runs.md#precheck)."""

from dataclasses import dataclass

from reconciler.core.base.invisible import one_line
from reconciler.core.runs.run import Failed, Json, Reason

GO_ON = 0
NOTHING = 10
"""The exit status of a program that sees nothing to do; any other but 0 is a failure."""
OUTPUT_LIMIT = 64 * 1024
"""Characters of its output that an agent gets."""
SENTENCE = 500
"""Characters of what it says, as people read it."""


@dataclass(frozen=True, slots=True)
class GoOn:
    """There is something to do; `output` goes with the prompt."""

    output: str


@dataclass(frozen=True, slots=True)
class NothingToDo:
    """There is nothing to do: the run is skipped. `message` is the sentence that people read."""

    message: str


def answer_of(status: int, output: str) -> Json:
    """What a precheck that went well answered, as JSON."""
    return {"status": status, "output": output}


def verdict_of(answer: Json) -> GoOn | NothingToDo:
    """Read what `answer_of` wrote."""
    output = str(answer["output"])
    if answer["status"] == NOTHING:
        line = last_line(output)
        return NothingToDo(f"precheck: {line}" if line else "its precheck sees nothing to do")
    return GoOn(cut_output(output))


def precheck_failed(failed: Failed) -> Failed:
    """The end of a run whose precheck went wrong, whatever the reason was."""
    message = f"the precheck failed, and no agent was asked: {failed.message}"
    return Failed(Reason.PRECHECK_FAILED, message, failed.result)


def last_line(output: str) -> str:
    """The last line that says something, on one line and cut; empty where there is none."""
    lines = [line for line in output.splitlines() if line.strip()]
    return one_line(lines[-1], SENTENCE) if lines else ""


def cut_output(output: str) -> str:
    """The beginning of a long output; the cut is said."""
    if len(output) <= OUTPUT_LIMIT:
        return output
    left_out = len(output) - OUTPUT_LIMIT
    return f"{output[:OUTPUT_LIMIT]}\n[cut: {left_out} more characters]"
