"""What a good result looks like: `spec.expect`, asked when a run completes (docs/runs.md)."""

import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciler.core.base.invisible import one_line
from reconciler.core.runs.run import Completed, Failed, Json, Reason

SHOWN = 200
"""Characters of the expression, and as many of the result, that the sentence quotes."""
_FENCED = re.compile(r"```(?:json)?[ \t]*\n(.*)\n```", re.DOTALL)


def parsed(result: Json) -> Json:
    """The result as expressions read it: a text that is a JSON object or list is that value.

    Coding agents wrap it into a code block; the block may be all of the text.
    """
    if not isinstance(result, str):
        return result
    text = result.strip()
    if fenced := _FENCED.fullmatch(text):
        text = fenced[1].strip()
    if not text.startswith(("{", "[")):
        return result
    try:
        return json.loads(text, parse_constant=_refused)
    except (ValueError, RecursionError):
        return result


def _refused(name: str) -> Json:
    raise ValueError(f"{name} is no JSON")


def unmet(expression: str, completed: Completed, problem: str | None = None) -> Failed:
    """The end of a run whose result is not what was expected; the result stays.

    `problem` says why the expression could not be evaluated; without one it was false.
    """
    verdict = "is false" if problem is None else f"could not be evaluated: {problem}"
    message = (
        f"expect is not met: {one_line(expression, SHOWN)} {verdict}; "
        f"the result is {_quoted(completed.result)}"
    )
    return Failed(
        Reason.EXPECTATION_UNMET, message, completed.result, completed.usage, completed.note
    )


def unfit(completed: Completed, mismatch: str) -> Failed:
    """The end of a run whose result does not fit the schema that was expected; the result stays."""
    message = (
        f"the result does not fit the expected schema: {one_line(mismatch, 2 * SHOWN)}; "
        f"the result is {_quoted(completed.result)}"
    )
    return Failed(
        Reason.EXPECTATION_UNMET, message, completed.result, completed.usage, completed.note
    )


@dataclass(frozen=True, slots=True)
class Unjudged:
    """What an agent called done, and nobody could judge yet; asked again at `again_at`."""

    outcome: Completed
    why: str
    times: int
    again_at: datetime

    @property
    def note(self) -> str | None:
        """What is said on the run once it was judged; nothing where nobody has failed to."""
        if not self.times:
            return None
        times = "once" if self.times == 1 else f"{self.times} times"
        return f"its result could be judged only after that had failed {times}: {self.why}"


def judged_later(
    completed: Completed,
    why: str,
    before: Unjudged | None,
    now: datetime,
    deadline: datetime | None,
) -> Unjudged:
    """The next time that a result is judged: after 1 s, 2 s and so on up to 30 s, and once more at
    the deadline of its run."""
    times = before.times + 1 if before else 1
    again_at = now + min(_LONGEST_PAUSE, timedelta(seconds=1 << min(times - 1, 10)))
    if deadline is not None and now < deadline:
        again_at = min(again_at, deadline)
    return Unjudged(completed, why, times, again_at)


_LONGEST_PAUSE = timedelta(seconds=30)


def never_judged(unjudged: Unjudged) -> Failed:
    """The end of a run whose result could not be judged before its deadline; the result stays."""
    done = unjudged.outcome
    message = f"its agent was done, and until the deadline of the run {unjudged.why}"
    return Failed(Reason.TIMED_OUT, message, done.result, done.usage, done.note)


def _quoted(result: Json) -> str:
    if isinstance(result, str) and not result.strip():
        return "empty"
    text = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)
    return one_line(text, SHOWN)
