"""What came of a call to an A2A agent, by what is known of the work."""

from dataclasses import dataclass

from reconciler.core.runs.run import Json
from reconciler.dispatch.a2a.task import A2aTask


@dataclass(frozen=True, slots=True)
class Replied:
    """The agent answered with a message: the work is done, and there is no task."""

    result: Json


@dataclass(frozen=True, slots=True)
class Refused:
    """The agent took nothing of the call, and will take no other like it."""

    message: str


@dataclass(frozen=True, slots=True)
class Away:
    """The agent could not be reached, or has no room: nothing began."""

    message: str
    retry_after: float | None = None
    quota: bool = False


@dataclass(frozen=True, slots=True)
class Lost:
    """No answer that can be read: the call may have been acted on."""

    message: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """The agent knows no such task."""


@dataclass(frozen=True, slots=True)
class Unlisted:
    """This agent cannot list tasks (protocol 0.3)."""


Trouble = Refused | Away | Lost
Creation = A2aTask | Replied | Trouble
