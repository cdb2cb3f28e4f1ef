"""The page of the server itself: settings in force, and what `doctor` finds (docs/operating.md)."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from starlette.responses import Response

from reconciler.clock import Clock
from reconciler.control.doctor.check import Check, Verdict
from reconciler.control.doctor.examine import examine
from reconciler.control.doctor.shown_settings import shown_settings
from reconciler.web.http.operation import Wire
from reconciler.web.http.parameters import read_query
from reconciler.web.http.problems import HttpProblem
from reconciler.web.pages.serving import View, Visit


class SettingsQuery(Wire):
    """Whether to examine."""

    examine: Literal["yes"] | None = None
    """It takes seconds."""


EVERY = 10.0
"""Seconds within which all get the same examination."""
_WHOLE_SERVER = "this is of the whole server, and your token is of some workspaces"
_WORST_FIRST = (Verdict.ERROR, Verdict.WARNING, Verdict.OK)


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found, worst first, and when."""

    at: datetime
    checks: Sequence[Check]


@dataclass(slots=True)
class Examinations:
    """At most one at a time, and one in a while, for all who ask: each asks every agent."""

    clock: Clock
    _ended: float = 0.0
    _task: asyncio.Task[Examined] | None = None

    async def latest(self, begin: Callable[[], list[Check]]) -> Examined:
        """The last one, the one under way, or a new one."""
        task = self._task
        if task is None or (task.done() and not self._is_recent(task)):
            task = self._task = asyncio.create_task(self._examine(begin))
        # Who gives up waiting does not end it for the others, nor lets a second one begin.
        return await asyncio.shield(task)

    def _is_recent(self, task: asyncio.Task[Examined]) -> bool:
        failed = task.cancelled() or task.exception() is not None
        return not failed and self.clock.monotonic() - self._ended < EVERY

    async def _examine(self, begin: Callable[[], list[Check]]) -> Examined:
        checks = await asyncio.to_thread(begin)
        self._ended = self.clock.monotonic()
        checks.sort(key=lambda check: _WORST_FIRST.index(check.verdict))
        return Examined(self.clock.now(), checks)


def settings_page(clock: Clock) -> View:
    """For those who see every workspace: checks name secrets and agents of all of them."""
    examinations = Examinations(clock)

    async def settings(visit: Visit) -> Response:
        if visit.caller.workspaces is not None:
            raise HttpProblem(403, "forbidden", _WHOLE_SERVER)
        query, context = read_query(visit.request, SettingsQuery, from_form=True), visit.context
        examined: Examined | None = None
        if query.examine:
            environment = context.secret_store.environment
            examined = await examinations.latest(lambda: examine(context.settings, environment))
        return visit.page(
            "settings.html", settings=list(shown_settings(context.settings)), examined=examined
        )

    return settings
