"""Is it alive, is it ready: for whoever restarts it or sends it traffic."""

from typing import Literal

from reconciler.core.base.errors import ReconcilerError
from reconciler.store.engine.schema import touch
from reconciler.web.http.answers import Reply
from reconciler.web.http.operation import Call, NoBody, NoQuery, Operation, Wire, json_content

DATABASE = "database"
"""What is waited for where the database does not answer."""
READ_SECONDS = 3.0
"""A database that needs longer for one row is not ready."""


class Alive(Wire):
    """The process answers."""

    status: Literal["ok"] = "ok"
    """Always `ok`."""


class Ready(Wire):
    """Whether the server should get traffic."""

    status: Literal["ready", "waiting"]
    """`waiting` comes with 503."""
    waiting_for: list[str]
    """What is not there yet."""


async def healthz(call: Call[NoQuery, NoBody]) -> Reply:
    """The process is alive. Nothing else is asked, so that a slow database restarts nobody."""
    return Reply(content=Alive(), headers={"Cache-Control": "no-store"})


async def readyz(call: Call[NoQuery, NoBody]) -> Reply:
    """Something is in force, and the database is read now and took the last write."""
    waiting_for = list(call.context.readiness().waiting_for)
    if DATABASE not in waiting_for:
        try:
            await call.context.database.aread(touch, within=READ_SECONDS)
        except ReconcilerError:
            waiting_for.append(DATABASE)
    ready = not waiting_for
    content = Ready(status="ready" if ready else "waiting", waiting_for=waiting_for)
    return Reply(
        content=content, status=200 if ready else 503, headers={"Cache-Control": "no-store"}
    )


OPERATIONS = (
    Operation(
        method="GET", path="/healthz", handler=healthz, role=None, tag="operation",
        summary="Whether the process is alive", answers={200: json_content(Alive, "It is.")},
    ),
    Operation(
        method="GET", path="/readyz", handler=readyz, role=None, tag="operation",
        summary="Whether the server should get traffic",
        answers={
            200: json_content(Ready, "It should."),
            503: json_content(Ready, "Not yet, or not now."),
        },
    ),
)  # fmt: skip
