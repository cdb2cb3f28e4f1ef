"""Whether a prompt arrived: the transcript tells, never the answer to a send."""

import asyncio
from dataclasses import dataclass

from reconciler.core.base.invisible import one_line
from reconciler.dispatch.aegis.answers import Absent, Busy, Rejected, Trouble
from reconciler.dispatch.aegis.client import AegisClient
from reconciler.dispatch.aegis.handle import Mark
from reconciler.dispatch.aegis.paste import clean
from reconciler.dispatch.aegis.readiness import NotReady, untrusted
from reconciler.dispatch.aegis.reading import READY, UNTRUSTED, Ready, Session
from reconciler.dispatch.aegis.words.transcript import Entry, others_prompt, prompt_at


@dataclass(frozen=True, slots=True)
class Arrived:
    """The agent has its prompt. `transcript`: whose words the server shows for the session."""

    transcript: str | None


@dataclass(frozen=True, slots=True)
class Lost:
    """The agent is idle and has nothing: the session may be ended, nothing ran."""

    message: str


@dataclass(frozen=True, slots=True)
class Foreign:
    """The transcript holds what somebody else asked, or a part of what we did."""

    message: str


Verdict = Arrived | Lost | Foreign | NotReady | Absent | Trouble


@dataclass(frozen=True, slots=True)
class Delivery:
    """The prompt of one session."""

    api: AegisClient
    mark: Mark
    prompt: str

    async def verify(self) -> Verdict:
        """Read the transcript until it holds the prompt, for `arrival` seconds at most."""
        waits, ours, since = self.api.waits, clean(self.prompt), self.mark.created_at
        until = self.api.clock.monotonic() + waits.arrival
        while True:
            entries, pause = await self.api.transcript(self.mark.session_id), waits.poll
            match entries:
                case tuple() if prompt_at(entries, ours, since) is not None:
                    return await self._arrived()
                case Absent() | Rejected():
                    return entries
                case Busy(_, retry_after):
                    pause = max(pause, retry_after or pause)
            if self.api.clock.monotonic() + pause > until:
                return await self._judge(entries) if isinstance(entries, tuple) else entries
            await asyncio.sleep(pause)

    async def _arrived(self) -> Verdict:
        """At this moment the transcript is ours: its id tells later whether it still is."""
        match await self.api.session(self.mark.session_id):
            case Session(transcript=transcript):
                return Arrived(transcript)
            case _:
                return Arrived(None)

    async def _judge(self, entries: tuple[Entry, ...]) -> Verdict:
        session_id = self.mark.session_id
        if (other := others_prompt(entries, self.mark.created_at)) is not None:
            shown = one_line(other.text, 80)
            return Foreign(
                f"session {session_id} shows another prompt than ours ({shown!r}): something else "
                "works in its folder, or the prompt was torn"
            )
        match await self.api.ready(session_id):
            case Ready(status=status) if status == READY:
                return Lost(f"session {session_id} did not take its prompt")
            case Ready(status=status) if status == UNTRUSTED:
                return untrusted(session_id)
            case Ready():
                return Arrived(None)  # at work, without words so far: never a second time
            case trouble:
                return trouble
