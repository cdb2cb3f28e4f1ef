"""The page of the server itself: settings in force, and what `doctor` finds (docs/operating.md)."""

import asyncio
from typing import Literal

from starlette.responses import Response

from reconciler.control.doctor.check import Check, Verdict
from reconciler.control.doctor.examine import examine
from reconciler.control.doctor.shown_settings import shown_settings
from reconciler.web.http.operation import Wire
from reconciler.web.http.parameters import read_query
from reconciler.web.http.problems import HttpProblem
from reconciler.web.pages.serving import Visit


class SettingsQuery(Wire):
    """Whether to examine."""

    examine: Literal["yes"] | None = None
    """It takes seconds."""


async def settings(visit: Visit) -> Response:
    """For those who see every workspace: checks name secrets and agents of all of them."""
    if visit.caller.workspaces is not None:
        raise HttpProblem(
            403, "forbidden", "this is of the whole server, and your token is of some workspaces"
        )
    query, context = read_query(visit.request, SettingsQuery, from_form=True), visit.context
    checks: list[Check] | None = None
    if query.examine:
        environment = context.secret_store.environment
        checks = await asyncio.to_thread(examine, context.settings, environment)
        checks.sort(
            key=lambda check: [Verdict.ERROR, Verdict.WARNING, Verdict.OK].index(check.verdict)
        )
    return visit.page(
        "settings.html", settings=list(shown_settings(context.settings)), checks=checks
    )
