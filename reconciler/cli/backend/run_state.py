"""What commands about runs and time ask of the state, wherever it is.

Runs, switches and explanations are the JSON documents of the API: both ways give the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from reconciler.core.base.errors import NotFound
from reconciler.core.base.identity import Key
from reconciler.core.runs.approval import Decision
from reconciler.core.runs.run import Reason, Source, Status

Document = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunQuery:
    """Which runs; `name` is that of an autopilot."""

    name: str | None = None
    status: Status | None = None
    source: Source | None = None
    reason: Reason | None = None
    limit: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """A run to be started by hand."""

    name: str
    trigger: str | None = None
    payload: Any = None
    force: bool = False


@dataclass(frozen=True, slots=True)
class Output:
    """What an agent has written after a position; `position` is where to go on."""

    text: str
    position: str


class RunState(Protocol):
    """A database or a server. `name` is `name` or `workspace/name`; unknown ones raise NotFound."""

    def list_runs(self, query: RunQuery) -> list[Document]:
        """Runs, newest first."""
        ...

    def get_run(self, run_id: str) -> Document:
        """One run, whole."""
        ...

    def cancel_run(self, run_id: str) -> Document:
        """End a waiting run, or ask an active one to stop."""
        ...

    def question_of(self, run_id: str) -> Document:
        """What the agent of a run asks now. Raises NotFound where it asks nothing."""
        ...

    def decide_run(self, run_id: str, decision: Decision, question: str) -> Document:
        """Answer this question of a run's agent. Raises Conflict where it cannot be answered."""
        ...

    def rerun_run(self, run_id: str) -> Document:
        """Start a run with the trigger and the payload of another one."""
        ...

    def output(self, run_id: str, after: str | None) -> Output:
        """What the agent of a run has written. Raises Conflict where that cannot be told."""
        ...

    def launch(self, request: RunRequest) -> Document:
        """Start a run; it is as the policy admitted it."""
        ...

    def is_served(self) -> bool:
        """Whether a server is there to carry runs out."""
        ...

    def pause(self, name: str | None, reason: str | None) -> list[Document]:
        """Pause one autopilot, or all of them; what they are then (see `switch_document`)."""
        ...

    def resume(self, name: str | None) -> list[Document]:
        """Resume one autopilot, or all of them."""
        ...

    def outlook(self, name: str, after: datetime | None, count: int) -> Document:
        """What comes, as `outlook_document` gives it."""
        ...

    def why(self, name: str, at: datetime | None) -> Document:
        """`{"at", "steps"}`: what decided at a moment, now by default."""
        ...

    def webhook_url(self, name: str, trigger: str) -> str:
        """The URL of a webhook trigger."""
        ...


def no_webhook(name: str, trigger: str, hooks: list[str]) -> NotFound:
    """The error for a webhook trigger that does not exist."""
    names = ", ".join(hooks) or "none"
    return NotFound(f"{name} has no webhook trigger {trigger!r}; it has: {names}")


ELSEWHERE = 5
"""Workspaces that are named where the one that was meant has no such autopilot."""


def no_autopilot(key: Key, elsewhere: Sequence[str]) -> NotFound:
    """The error for an autopilot that does not exist; `elsewhere` are workspaces that have one."""
    missing = f"there is no {key.kind.lower()} {key.workspace}/{key.name}"
    if elsewhere:
        names = " or ".join(f"{workspace}/{key.name}" for workspace in elsewhere)
        return NotFound(f"{missing}; did you mean {names}?")
    return NotFound(f"{missing}; is it applied? `reconciler plan` shows what is not")
