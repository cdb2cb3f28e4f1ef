"""What an A2A task says of the work, in the JSON form of protocol 1.0 (docs/runtimes.md#a2a)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.core.base.invisible import one_line
from reconciler.core.runs.run import Completed, Failed, Json, Reason
from reconciler.core.runs.usage import Usage, reported
from reconciler.dispatch.base import Ended, NeedsApproval, Observation, Working
from reconciler.dispatch.wire import QUOTED

Document = Mapping[str, Any]
_PREFIX = "TASK_STATE_"
ENDS = frozenset({"COMPLETED", "FAILED", "CANCELED", "REJECTED"})
_TOKENS = {
    "inputTokens": ("gen_ai.usage.input_tokens", "promptTokenCount", "prompt_token_count"),
    "outputTokens": (
        "gen_ai.usage.output_tokens",
        "candidatesTokenCount",
        "candidates_token_count",
    ),
    "cachedTokens": ("cachedContentTokenCount", "cached_content_token_count"),
}
"""Names under which agents tell their tokens: OpenTelemetry's, and those of Google's kit."""
_LARGEST_WHOLE = 2.0**53
_KITS = ("adk_usage_metadata", "kagent_usage_metadata")


@dataclass(frozen=True, slots=True)
class A2aTask:
    """A task: `state` without its prefix, `words` what the agent last said of it."""

    id: str
    state: str
    words: str = ""
    result: Json = None
    usage: Usage | None = None
    note: str | None = None
    log: str = ""
    """All that the agent has said: the messages of the history that came along, then artifacts."""

    @property
    def ended(self) -> bool:
        """Whether nothing of it goes on."""
        return self.state in ENDS


def read_task(document: Document) -> A2aTask:
    """Read a task; what it does not say is empty."""
    status = _mapping(document.get("status"))
    words = text_of(_mapping(status.get("message")))
    usage, note = reported(_usage(document))
    state = str(status.get("state", "")).removeprefix(_PREFIX)
    result = _result(document, words)
    log = "\n".join(_messages(document, words))
    return A2aTask(str(document.get("id", "")), state, words, result, usage, note, log)


def observation_of(task: A2aTask) -> Observation:
    """Return what a task's state means for its run."""
    match task.state:
        case "COMPLETED":
            return Ended(Completed(task.result, task.usage, task.note))
        case "FAILED" | "REJECTED" | "CANCELED":
            return Ended(
                Failed(Reason.AGENT_FAILED, _why(task), task.result, task.usage, task.note)
            )
        case "INPUT_REQUIRED":
            return NeedsApproval(question_of(task))
        case "AUTH_REQUIRED":
            question = task.words or "the agent asks to be authorized, and says not for what"
            return NeedsApproval(question, "with the agent itself: it asks for a credential")
        case _:
            return Working(task.note or "", task.usage)


def question_of(task: A2aTask) -> str:
    """What a task that waits for input asks."""
    return task.words or "the agent waits for an answer; it does not say to what"


def text_of(message: Document) -> str:
    """The texts of a message."""
    return "\n".join(part["text"] for part in _parts(message) if isinstance(part.get("text"), str))


def content_of(parts: list[Document]) -> Json:
    """What parts hold: their text where there is nothing else, data where it is all."""
    texts = [part["text"] for part in parts if isinstance(part.get("text"), str)]
    data = [_whole(part["data"]) for part in parts if "data" in part]
    files = [str(part.get("url") or part.get("filename") or "file") for part in parts
             if "url" in part or "raw" in part]  # fmt: skip
    text = "\n".join(texts)
    if not data and not files:
        return text or None
    if len(data) == 1 and not texts and not files:
        return data[0]
    known = {"text": text or None, "data": data or None, "files": files or None}
    return {name: value for name, value in known.items() if value is not None}


def _messages(document: Document, words: str) -> Iterator[str]:
    history = document.get("history")
    told = [
        text_of(message)
        for message in (history if isinstance(history, list) else [])
        if isinstance(message, dict) and message.get("role") == "ROLE_AGENT"
    ]
    yield from (text for text in told if text)
    if words and words not in told:
        yield words
    artifacts = document.get("artifacts")
    for artifact in artifacts if isinstance(artifacts, list) else []:
        if text := text_of(_mapping(artifact)):
            yield text


def _result(document: Document, words: str) -> Json:
    artifacts = document.get("artifacts")
    parts = [
        part
        for artifact in (artifacts if isinstance(artifacts, list) else [])
        for part in _parts(_mapping(artifact))
    ]
    return content_of(parts) if parts else words or None


def _why(task: A2aTask) -> str:
    match task.state:
        case "CANCELED":
            happened = "the task was cancelled at the agent"
        case "REJECTED":
            happened = "the agent rejected the task"
        case _:
            happened = "the agent reports that it failed"
    words = one_line(task.words, QUOTED)
    return f"{happened}: {words}" if words else happened


def _usage(document: Document) -> Json:
    """`usage` of the metadata; or else the names that others use. None where nothing is told."""
    for metadata in _metadata(document):
        if "usage" in metadata:
            return metadata["usage"]
        kit = next((metadata[name] for name in _KITS if name in metadata), None)
        counts = {**metadata, **_mapping(kit)}
        told = {
            name: next((counts[other] for other in others if other in counts), None)
            for name, others in _TOKENS.items()
        }
        if any(value is not None for value in told.values()):
            return told
    return None


def _metadata(document: Document) -> Iterator[Document]:
    yield _mapping(document.get("metadata"))
    yield _mapping(_mapping(_mapping(document.get("status")).get("message")).get("metadata"))
    artifacts = document.get("artifacts")
    for artifact in artifacts if isinstance(artifacts, list) else []:
        yield _mapping(_mapping(artifact).get("metadata"))


def _whole(value: Json) -> Json:
    """The same with whole numbers as such: the protocol's data knows only doubles."""
    match value:
        case float() if value.is_integer() and abs(value) <= _LARGEST_WHOLE:
            return int(value)
        case dict():
            return {name: _whole(item) for name, item in value.items()}
        case list():
            return [_whole(item) for item in value]
        case _:
            return value


def _parts(holder: Document) -> list[Document]:
    parts = holder.get("parts")
    return [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []


def _mapping(value: Any) -> Document:
    return value if isinstance(value, dict) else {}
