"""Claude Code in its tmux: an input box, turns one after another, a transcript, a pane.

All of it follows from what was typed and from the moment at which one looks; nothing runs.
"""

import uuid
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.support.aegis.script import Json, Script

OPEN_PASTE, CLOSE_PASTE = "\x1b[200~", "\x1b[201~"
FOREVER = 1e12
"""Later than any moment."""
FIRST_WORDS = 0.2
"""Seconds into a turn at which the agent says what it will do, and calls a tool."""


@dataclass
class Turn:
    """One prompt and what came of it. `ends` is `FOREVER` while a test holds it."""

    text: str
    begins: float
    ends: float
    answer: str
    failed: bool = False
    retries_until: float = 0.0
    interrupted: bool = False


@dataclass
class Agent:
    """One Claude. `name` is that of the session that started it."""

    name: str
    work_dir: str
    ready_at: float
    installed: bool = True
    trusted: bool = True
    asks_first: bool = False
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    box: str = ""
    pasting: bool = False
    turns: list[Turn] = field(default_factory=list)
    shell: list[str] = field(default_factory=list)
    killed_at: float | None = None

    def alive(self, now: float) -> bool:
        """Whether its process is there."""
        return self.killed_at is None or now < self.killed_at

    def at_work(self, now: float) -> bool:
        """Whether it does, at this moment, what a prompt asked for."""
        return self.alive(now) and self.turn(now) is not None

    def ready(self, now: float) -> bool:
        """Whether Enter submits what is typed."""
        settled = self.installed and self.trusted and not self.asks_first
        return settled and now >= self.ready_at

    def turn(self, now: float) -> Turn | None:
        """The turn that is under way."""
        return next((t for t in self.turns if t.begins <= now < t.ends), None)

    def ended(self, now: float) -> list[Turn]:
        """The turns that are over."""
        return [] if not self.turns else [t for t in self.turns if t.ends <= now]

    def kill(self, at: float) -> None:
        """Its process is gone from this moment on."""
        self.killed_at = at if self.killed_at is None else min(at, self.killed_at)
        for turn in self.turns:
            if turn.ends > at:
                turn.ends = FOREVER  # it never says that it is done

    def interrupt(self, now: float) -> None:
        """What Escape does: the turn is over and no hook says so."""
        if (turn := self.turn(now)) is not None:
            turn.ends, turn.interrupted = now, True

    def finish(self, now: float, answer: str) -> None:
        """End the turn that a test holds."""
        turn = self.turn(now)
        assert turn is not None, "no turn is under way"
        turn.ends, turn.answer = now, answer

    def press(self, text: str) -> None:
        """Keys that arrive in the input box; a paste takes CR for a new line."""
        while text:
            marker = CLOSE_PASTE if self.pasting else OPEN_PASTE
            before, closed, text = text.partition(marker)
            self.box += before.replace("\r", "\n") if self.pasting else before
            if closed:
                self.pasting = not self.pasting

    def enter(self, now: float, script: Script) -> None:
        """The Enter key."""
        if not self.installed:
            self.shell.append(self.box)
            self.box = ""
        elif not self.trusted:
            self.trusted, self.box = True, ""
        elif self.asks_first:
            self.shell.append(f"answered with {self.box}")
            self.asks_first, self.box = False, ""
        elif self.pasting:
            self.box += "\n"
        elif self.ready(now):
            self._submit(now, script)

    def _submit(self, now: float, script: Script) -> None:
        text, self.box = self.box.replace("\t", "    ").strip(), ""
        if text.startswith(("!", "/")):
            self.shell.append(text)
        elif text:
            begins = max([now, *(turn.ends for turn in self.turns)])
            ends = FOREVER if script.hold else begins + script.retrying + script.work
            words = script.fails or script.answer
            failed = script.fails is not None
            self.turns.append(Turn(text, begins, ends, words, failed, begins + script.retrying))

    def entries(self, now: float) -> list[dict[str, Json]]:
        """Its transcript; an answer may stand before the prompt that it answers."""
        entries: list[dict[str, Json]] = []
        for turn in self.turns:
            if turn.begins > now:
                break
            entries.append(_entry(turn.begins, "user", "text", turn.text))
            if turn.begins + FIRST_WORDS <= min(now, turn.ends) and not turn.failed:
                at = turn.begins + FIRST_WORDS
                entries.insert(-1, _entry(at, "assistant", "text", "I read the issues."))
                entries.append(_entry(at + 0.01, "assistant", "tool_use", "gh issue list"))
                entries.append(_entry(at + 0.02, "user", "tool_result", "#1 #2 #3"))
            if turn.ends <= now and not turn.interrupted:
                entries.append(_entry(turn.ends, "assistant", "text", turn.answer))
        return entries

    def hooks(self, now: float) -> list[tuple[float, str]]:
        """The hooks that it has called, with their moments."""
        hooks: list[tuple[float, str]] = []
        for turn in self.turns:
            hooks.append((turn.begins, "UserPromptSubmit"))
            if not turn.failed:
                hooks.append((turn.begins + FIRST_WORDS, "PreToolUse"))
            if not turn.interrupted:
                hooks.append((turn.ends, "StopFailure" if turn.failed else "Stop"))
        return [hook for hook in hooks if hook[0] <= now]

    def pane(self, now: float) -> str:
        """What its terminal shows."""
        if not self.installed:
            return "bash: claude: command not found\n$ "
        if not self.trusted:
            return "Do you trust the files in this folder?\n❯ 1. Yes, proceed"
        if now < self.ready_at:
            return ""
        shown = [f"> {turn.text}" for turn in self.turns if turn.begins <= now]
        shown += [
            f"⏺ {turn.answer}\n\n✻ Baked for 5s" for turn in self.ended(now) if not turn.interrupted
        ]
        if (turn := self.turn(now)) is not None:
            wait = "API error · Retrying in 4s" if now < turn.retries_until else "Baking… 3s"
            shown.append(f"✻ {wait} · esc to interrupt")
        return "\n".join([*shown, f"❯ {self.box}"])

    def stored(self) -> dict[str, Any]:
        """As the file of what outlives Aegis holds it."""
        return asdict(self)


def restored(value: dict[str, Any]) -> Agent:
    """The other way round."""
    return Agent(**{**value, "turns": [Turn(**turn) for turn in value["turns"]]})


def _entry(at: float, role: str, kind: str, text: str) -> dict[str, Json]:
    moment = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return {"role": role, "contentType": kind, "text": text, "timestamp": moment}
