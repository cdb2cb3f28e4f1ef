"""What the agent of a session has said so far, for whoever watches: asked for seldom.

By the transcript, which a call does not consume, as far as the calls of the key have room for it.
Words are told only while the transcript is that of the session and holds its prompt: sessions that
work in one folder are shown each other's (docs/runtimes.md#aegis).
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from reconciler.dispatch.aegis.client import ENTRIES, AegisClient
from reconciler.dispatch.aegis.handle import Mark
from reconciler.dispatch.aegis.reading import Session
from reconciler.dispatch.aegis.words.transcript import answer
from reconciler.dispatch.base import Written

PAUSE: Final = 3.0
"""Seconds between two readings of a session, for each page of its transcript."""
WITHIN: Final = 4.0
"""Seconds that whoever watches waits for a reading."""
SPARE: Final = 30
"""Calls of a minute that stay with the lists, beside those of starts and stops."""
LIMIT: Final = 256 * 1024
"""Characters of a session that are remembered, the last ones."""
SESSIONS: Final = 100
"""Sessions whose words are remembered, those that were asked for last."""


@dataclass(slots=True)
class Told:
    """What is known of one session. `before` counts the characters that are not kept any more."""

    text: str = ""
    before: int = 0
    pages: int = 1
    due: float = float("-inf")

    def keep(self, words: str) -> None:
        """Take what was said in all."""
        self.before = max(0, len(words) - LIMIT)
        self.text = words[self.before :]

    def after(self, position: str | None) -> Written:
        """What was said after a position, which counts characters."""
        total = self.before + len(self.text)
        begin = int(position) if position and position.isascii() and position.isdigit() else 0
        # Entries may be put in another order: then all is told anew.
        begin = begin if begin <= total else 0
        text = self.text[max(0, begin - self.before) :]
        return Written(text, str(total), cut=begin < self.before)


@dataclass(slots=True)
class Live:
    """The words of the sessions of one server and key. They may be lost at any time."""

    api: AegisClient
    _told: dict[str, Told] = field(default_factory=dict)

    async def read(
        self, mark: Mark, prompt: str, session: Session | None, after: str | None
    ) -> Written:
        """What was said after a position; what is known of it where a reading has to wait.

        `session` is as the last list shows it; without one it is asked for.
        """
        told = self._told.pop(mark.session_id, None) or Told()
        self._told[mark.session_id] = told  # the newest one
        while len(self._told) > SESSIONS:
            del self._told[next(iter(self._told))]
        now = self.api.clock.monotonic()
        if now >= told.due and self.api.has_room(SPARE + told.pages):
            # Set before the answer: whoever asks meanwhile gets what is known.
            told.due = now + PAUSE * told.pages
            with suppress(TimeoutError):
                async with asyncio.timeout(WITHIN):
                    await self._renew(told, mark, prompt, session)
            # After one that took long as well: nobody waits for a slow server all the time.
            told.due = max(told.due, self.api.clock.monotonic() + PAUSE)
        return told.after(after)

    def forget(self, session_id: str) -> None:
        """The run of a session has ended, and what it wrote is kept elsewhere."""
        self._told.pop(session_id, None)

    async def _renew(self, told: Told, mark: Mark, prompt: str, session: Session | None) -> None:
        shown = session or await self.api.session(mark.session_id)
        if not isinstance(shown, Session) or not mark.is_of(shown):
            return
        entries = await self.api.transcript(mark.session_id)
        if not isinstance(entries, tuple):
            return
        told.pages = max(1, -(-len(entries) // ENTRIES))
        if (words := answer(entries, prompt, mark.created_at)) is not None:
            told.keep(words)
