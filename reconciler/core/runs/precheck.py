"""What a precheck's exit status says: go on, or there is nothing to do (docs/runs.md#precheck)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from reconciler.core.base.invisible import one_line
from reconciler.core.manifest.fields import format_instant, parse_instant
from reconciler.core.runs.run import Failed, Json, Reason, Run

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


class Verdict(StrEnum):
    """What a precheck said."""

    GO_ON = "go_on"
    NOTHING_TO_DO = "nothing_to_do"
    FAILED = "failed"


_ENDS = {
    Reason.NOTHING_TO_DO: Verdict.NOTHING_TO_DO,
    Reason.PRECHECK_FAILED: Verdict.FAILED,
}


@dataclass(frozen=True, slots=True)
class Prechecked:
    """What is known of a run's precheck: `verdict` and `ended` are None until it has answered.

    `began` is None of a program that never began, and of runs from before it was recorded.
    """

    began: datetime | None
    ended: datetime | None = None
    verdict: Verdict | None = None

    @property
    def took(self) -> timedelta | None:
        """How long it ran, where both moments are known."""
        if self.began is None or self.ended is None:
            return None
        return self.ended - self.began


def passed_record(begun: Mapping[str, Json] | None, now: datetime) -> dict[str, Json]:
    """What a run keeps of a precheck that went on, in place of how to find its program."""
    began = {"began": begun["began"]} if begun and "began" in begun else {}
    return {**began, "ended": format_instant(now), "verdict": Verdict.GO_ON.value}


def prechecked(run: Run) -> Prechecked | None:
    """The precheck of a run, as far as it got; None where none began and none was judged."""
    recorded = run.precheck_handle or {}
    began = parse_instant(recorded["began"]) if "began" in recorded else None
    if "verdict" in recorded:
        return Prechecked(began, parse_instant(recorded["ended"]), Verdict(recorded["verdict"]))
    verdict = _ENDS.get(run.reason) if run.reason is not None else None
    if verdict is not None:
        return Prechecked(began, run.completed_at, verdict)
    return Prechecked(began) if began is not None else None


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
