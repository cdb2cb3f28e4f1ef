"""What Aegis shows of one session: statuses that mislead, hook fields that do not."""

import uuid
from dataclasses import dataclass, field

from tests.support.aegis.agent import Agent
from tests.support.aegis.script import Json, Script


@dataclass
class Session:
    """One session; its agent lives on without it."""

    agent: Agent
    name: str | None
    work_dir: str
    key: str
    permission_mode: str
    created_at: float
    extra: dict[str, Json] = field(default_factory=dict)
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    override: str | None = None
    """A status that a test has set."""
    read: int = 0
    """Entries of the transcript that `/read` has consumed."""
    read_at: float = -1.0

    def health(self, now: float, script: Script) -> str:
        """The status by `/health`: the pane, at this moment."""
        agent = self.agent
        if self.override is not None:
            return self.override
        if not agent.installed:
            return "unknown"
        if not agent.trusted:
            return "permission_prompt"
        if agent.asks_first:
            return "waiting_for_input"
        if now < agent.ready_at:
            return "pending" if script.later_build else "unknown"
        if (turn := agent.turn(now)) is not None and now < turn.retries_until:
            return "error"
        # "✻ Baked for 5s" stays on the pane and counts as work.
        return "working" if agent.turns and not agent.turns[-1].interrupted else "idle"

    def status(self, now: float, script: Script) -> str:
        """The status by the list and by GET: late at the start, `idle` for a while after Stop."""
        seen = self.health(now, script)
        if self.override is not None:
            return seen
        if seen == "idle" and now < self.agent.ready_at + script.shown_late:
            return "unknown"
        if seen != "working" or self.agent.turn(now) is not None:
            return seen
        last = self.agent.turns[-1]
        since = now - last.ends
        if last.failed:
            return "error" if since < script.settle else "working"
        if self.read_at >= last.ends or since >= script.settle:
            return "working"
        return "idle" if since < script.settle / 2 else "waiting_for_input"

    def view(self, now: float, script: Script, shown: Agent) -> dict[str, Json]:
        """As the API shows it. `shown`: whose transcript Aegis takes for that of this session."""
        hooks = self.agent.hooks(now)
        name = "displayName" if script.later_build else "windowName"
        view: dict[str, Json] = {
            "id": self.id,
            name: self.name or f"cc-{self.id[:8]}",
            "workDir": self.work_dir,
            "status": self.status(now, script),
            "createdAt": _ms(self.created_at),
            "lastActivity": _ms(max([self.created_at, self.read_at, *(at for at, _ in hooks)])),
            "permissionMode": self.permission_mode,
        }
        if self.agent.ready(now):
            view["claudeSessionId"] = shown.id
        if script.later_build:
            return view
        if hooks:
            view["lastHookAt"] = _ms(hooks[-1][0])
        stops = [(at, hook) for at, hook in hooks if hook.startswith("Stop")]
        if stops:
            first_at, first = stops[0]
            view["hookFailureTimestamps"] = [_ms(first_at)] if first == "StopFailure" else []
        return view


def _ms(at: float) -> int:
    return int(at * 1000)
