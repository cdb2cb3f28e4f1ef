"""What an Aegis session's status and transcript say about a run; statuses that are new are fine.

No status means completed or failed. A run is completed when its session rests *and* has an
assistant message later than our prompt: before the work begins a session is idle, too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from reconciler.core.base.invisible import one_line
from reconciler.core.runs.run import Json

RESTING: Final = frozenset({"idle", "waiting_for_input"})
READY: Final = "idle"
"""The status of a session that has booted and waits for its prompt."""
BROKEN: Final = "error"
ASKS: Final = frozenset({"permission_prompt", "bash_approval", "plan_mode", "ask_question"})
AT_WORK: Final = ASKS | {"working", "compacting", "context_warning"}
NOT_SAID: Final = frozenset({"thinking", "tool_use", "tool_result", "progress"})
"""Kinds of content that are no words to anybody."""

_DETAILS: Final[Mapping[str, str]] = {
    "working": "",
    **{status: f"waits for approval: {status}" for status in ASKS},
    "rate_limit": "waits for the model: rate_limit",
    "error": "the session shows an error",
}


@dataclass(frozen=True, slots=True)
class Session:
    """One session of the list. `name` is its `windowName`; `stamp` moves with its activity."""

    id: str
    name: str
    status: str
    stamp: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One entry of a transcript."""

    role: str
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Transcript:
    """All messages, oldest first, and the status at the moment of reading."""

    messages: tuple[Message, ...]
    status: str

    def began(self) -> bool:
        """Whether our prompt reached the agent. The session is ours alone and was new."""
        return self.status in AT_WORK or any(m.role in ("user", "assistant") for m in self.messages)

    def answered(self) -> bool:
        """Whether the work is over: at rest, with an assistant message after the prompt."""
        replies = self._replies()
        return self.status in RESTING and any(m.kind != "thinking" for m in replies)

    def text(self) -> str:
        """What the agent said after the prompt, messages parted by an empty line."""
        return "\n\n".join(m.text for m in self._replies() if m.text and m.kind not in NOT_SAID)

    def _replies(self) -> Sequence[Message]:
        # The first user message is our prompt, as nobody else writes before us into a session
        # that we made. A transcript that does not show it begins with the answer.
        users = (i for i, m in enumerate(self.messages) if m.role == "user")
        start = next(users, -1) + 1
        return [m for m in self.messages[start:] if m.role == "assistant"]


def detail(status: str) -> str:
    """What the run shows while its session has this status."""
    return _DETAILS.get(status, one_line(status, 50))


def read_session(value: Json) -> Session | None:
    """A session as the API shows it; None where it has no id that is a UUID."""
    if not isinstance(value, dict) or not is_session_id(value.get("id")):
        return None
    stamp = f"{value.get('lastActivity')}"
    name, status = value.get("windowName"), value.get("status")
    return Session(
        str(value["id"]),
        name if isinstance(name, str) else "",
        status if isinstance(status, str) else "unknown",
        stamp,
    )


def read_transcript(value: Mapping[str, Json]) -> Transcript | None:
    """The answer of `read`; None where it is something else."""
    messages, status = value.get("messages"), value.get("status")
    if not isinstance(messages, list):
        return None
    read = tuple(_message(m) for m in messages if isinstance(m, dict))
    return Transcript(read, status if isinstance(status, str) else "unknown")


def is_session_id(value: Json) -> bool:
    """Whether it may stand in a URL of the API."""
    try:
        return isinstance(value, str) and str(UUID(value)) == value.lower()
    except ValueError:
        return False


def _message(value: Mapping[str, Json]) -> Message:
    role, kind, text = (value.get(name) for name in ("role", "contentType", "text"))
    return Message(
        role if isinstance(role, str) else "",
        kind if isinstance(kind, str) else "text",
        text if isinstance(text, str) else "",
    )
