"""Waiting for a session's agent: only an idle one takes a text for a prompt."""

import asyncio
from dataclasses import dataclass

from reconciler.dispatch.aegis.answers import Absent, Busy, Rejected, Trouble
from reconciler.dispatch.aegis.client import AegisClient
from reconciler.dispatch.aegis.reading import READY, UNTRUSTED, Ready


@dataclass(frozen=True, slots=True)
class NotReady:
    """The agent will not take a prompt."""

    message: str


async def wait_until_ready(api: AegisClient, session_id: str) -> NotReady | Absent | Trouble | None:
    """Wait at most `ready` seconds; None as soon as the agent is idle.

    A failed question is asked again: it says nothing about the agent.
    """
    until = api.clock.monotonic() + api.waits.ready
    while True:
        seen = await api.ready(session_id)
        pause = api.waits.poll
        match seen:
            case Ready(status=status, running=True) if status == READY:
                return None
            case Ready(status=status) if status == UNTRUSTED:
                return untrusted(session_id)
            case Absent() | Rejected():
                return seen
            case Busy(_, retry_after):
                pause = max(pause, retry_after or pause)
            case _:
                pass
        if api.clock.monotonic() + pause > until:
            return _too_late(seen, session_id, api.waits.ready)
        await asyncio.sleep(pause)


def untrusted(session_id: str) -> NotReady:
    """A dialog waits: a text would be taken for its answer."""
    return NotReady(
        f"session {session_id} asks whether its folder is trusted: start claude once in workDir as "
        "the user of Aegis and accept, or set projects[workDir].hasTrustDialogAccepted in "
        "~/.claude.json"
    )


def _too_late(seen: "Ready | Trouble", session_id: str, seconds: float) -> NotReady | Trouble:
    if not isinstance(seen, Ready):
        return seen
    if seen.status in ("unknown", "pending") or not seen.running:
        return NotReady(
            f"claude did not start in session {session_id} within {seconds:g} s: it must be on the "
            "PATH of a login shell on the Aegis host, and past its first questions"
        )
    return NotReady(
        f"session {session_id} was not ready for its prompt within {seconds:g} s: its terminal "
        f"shows {seen.status}. Start claude once in workDir as the user of Aegis and answer what "
        "it asks (theme, API key, trust)"
    )
