"""Ending a session, and what proves that its agent is dead."""

from dataclasses import dataclass

from reconciler.dispatch.aegis.answers import Absent
from reconciler.dispatch.aegis.client import AegisClient
from reconciler.dispatch.aegis.handle import Mark, Phase
from reconciler.dispatch.aegis.reading import Session

RESTARTED = (
    "the Aegis server was started anew and does not know the session; its agent may be at work"
)


@dataclass(frozen=True, slots=True)
class Deleted:
    """The server ended the session and does not know it any more."""


@dataclass(frozen=True, slots=True)
class NotThere:
    """The server knew no such session before we ended it: it ended by itself, or the server is
    another one since."""


@dataclass(frozen=True, slots=True)
class Alive:
    """Not known to be over."""

    message: str


async def end(api: AegisClient, session_id: str) -> Deleted | NotThere | Alive:
    """DELETE, then look: a 404 after it is the proof."""
    match await api.delete(session_id):
        case Absent():
            return NotThere()
        case None:
            pass
        case trouble:
            return Alive(trouble.message)
    match await api.session(session_id):
        case Absent():
            return Deleted()
        case Session(status=status) as session:
            still = f"session {session_id} is still there after DELETE: {status}"
            return Alive(still) if session.live else Deleted()
        case trouble:
            return Alive(trouble.message)


async def discard(api: AegisClient, mark: Mark) -> str | None:
    """End a session that did not take its prompt; return what the proof lacks, None if nothing."""
    match await end(api, mark.session_id):
        case Deleted():
            return None
        case Alive(message):
            return message
        case NotThere():
            idle = mark.phase is Phase.MADE
            return None if idle or await api.has_run_since(mark.since) else RESTARTED
