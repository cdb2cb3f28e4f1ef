"""What a coding agent's command line is: how it is called, and what its lines of JSON say."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from reconciler.core.manifest.runtime import CliRuntime
from reconciler.core.runs.run import Json
from reconciler.dispatch.base import LONGEST_SESSION_ID

Record = Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the lines say so far.

    `ended` once the agent's own end record was read; `error` is its sentence, where it or the API
    says that the work failed. `api` says that it was the model's API: with its `status`, or None
    where it could not be reached. `denied` are tools that it was not allowed to use. `began` once
    the model has said or done anything.
    """

    session_id: str | None = None
    text: str = ""
    structured: Json = None
    ended: bool = False
    error: str | None = None
    api: bool = False
    status: int | None = None
    retry_at: int | None = None
    began: bool = False
    over_budget: bool = False
    denied: tuple[Record, ...] = ()
    usage: Mapping[str, Json] = field(default_factory=dict)


def _says_nothing(answer: Answer, _status: int) -> Answer:
    return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """One agent. `call` gives the arguments for a manifest, a session's id and further options.

    `chooses` says that the session's id is ours to choose. `lines` are texts of which each line
    that matters holds one, `ends` the fields of a record after which it has nothing left to do;
    `read` takes one record into the answer, `exited` the exit status;
    `resume` is what a person types. `variables` are set unless the manifest sets them. `budget` is
    the option that says what a run may cost, in dollars. `trouble` is a line of stderr by which it
    says that the model's API did not answer and is asked again; its groups say how.
    """

    call: Callable[[CliRuntime, str, Sequence[str]], list[str]]
    read: Callable[[Answer, Record], Answer]
    resume: Callable[[str], list[str]]
    chooses: bool
    lines: tuple[bytes, ...]
    ends: tuple[Mapping[str, tuple[str, ...]], ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    exited: Callable[[Answer, int], Answer] = _says_nothing
    budget: str | None = None
    trouble: re.Pattern[str] | None = None


def read_lines(adapter: Adapter, lines: bytes, before: Answer | None = None) -> Answer:
    """Read all that is JSON, on top of what was read before; a line that is cut or nonsense says
    nothing."""
    answer = before or Answer()
    for record in _records(lines):
        try:
            answer = adapter.read(answer, record)
        except (AttributeError, KeyError, TypeError, ValueError):
            continue  # a record of another shape than any that is known
    return answer


def shown_lines(adapter: Adapter, output: bytes, answer: bytes) -> str:
    """What an agent says while it works: its texts, denials and errors, then stderr as it came."""
    texts = [text for record in _records(answer) if (text := _shown(adapter, record))]
    spoken = "".join(f"{text.rstrip()}\n" for text in texts)
    return spoken + output.decode("utf-8", "replace").replace("\x00", "\ufffd")


def _shown(adapter: Adapter, record: Record) -> str:
    """One record alone says what is new in it; the end repeats what was said before."""
    try:
        new = adapter.read(Answer(), record)
    except (AttributeError, KeyError, TypeError, ValueError):
        return ""
    denied = [f"[denied: {denial.get('tool')}]" for denial in new.denied]
    spoken = [] if new.ended else [new.text]
    return "\n".join(text for text in (*spoken, *denied, new.error or "") if text)


def _records(lines: bytes) -> Iterator[Record]:
    for line in lines.splitlines():
        try:
            # A byte that is no UTF-8 must not cost the record of the end.
            record = json.loads(line.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict):
            yield record


def text_of(value: Json) -> str:
    """A text, or nothing where it is something else."""
    return value if isinstance(value, str) else ""


def counts(**values: Json) -> dict[str, Json]:
    """Usage, without what is not a number."""
    return {
        name: value
        for name, value in values.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }


def added(usage: Mapping[str, Json], more: Mapping[str, Json]) -> dict[str, Json]:
    """The sum of two usages."""
    return {**usage, **{name: usage.get(name, 0) + value for name, value in more.items()}}


def named(answer: Answer, session_id: Json) -> Answer:
    """With the session's id, which the first record that has one tells.

    People paste it into a terminal; what such a one would not show is no id.
    """
    if answer.session_id or not isinstance(session_id, str):
        return answer
    if not (session_id and session_id.isprintable()):
        return answer
    return replace(answer, session_id=session_id[:LONGEST_SESSION_ID])
