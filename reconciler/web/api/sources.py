"""The API of sources: revisions, drift, the server's status, everything as manifests again."""

import asyncio
from typing import Any

from reconciler import __version__
from reconciler.control.apply.inventory import drift as find_drift
from reconciler.control.apply.inventory import export as export_documents
from reconciler.core.access.roles import Role
from reconciler.core.manifest.fields import Instant
from reconciler.core.manifest.model import Agent, Autopilot, Squad
from reconciler.core.plan.report import DriftReport, drift_report
from reconciler.manifest.edit.export import to_yaml
from reconciler.store.revisions.revisions import list_attempts
from reconciler.web.api.runs import PageQuery
from reconciler.web.http.answers import Reply
from reconciler.web.http.cursor import decode_cursor, encode_cursor
from reconciler.web.http.negotiation import YAML, prefers_yaml
from reconciler.web.http.operation import (
    NUMBER,
    Call,
    Content,
    NoBody,
    NoQuery,
    Operation,
    Wire,
    json_content,
)
from reconciler.web.http.parameters import Text
from reconciler.web.models.revision import RevisionDetail, RevisionView, read_revision
from reconciler.web.models.source import SourceView, source_views


class SourceQuery(Wire):
    """Which source."""

    source: Text | None = None
    """Only this one."""


class RevisionQuery(PageQuery):
    """Which revisions."""

    source: Text | None = None
    """Only of this source."""


class RevisionPage(Wire):
    """Revisions that were tried, newest first."""

    items: list[RevisionView]
    """This page."""
    next_cursor: str | None
    """For the next page; null on the last one."""


class DriftPage(Wire):
    """Objects that no longer are what was applied."""

    items: list[DriftReport]
    """All of them: `before` is as applied, `after` as it is now."""
    next_cursor: str | None = None
    """Always null."""


class ExportPage(Wire):
    """Manifests of all that is there."""

    items: list[Autopilot | Agent | Squad]
    """By kind, workspace and name."""
    next_cursor: str | None = None
    """Always null."""


class ServerStatus(Wire):
    """The server, and what its sources stand at."""

    version: str
    """Of the reconciler."""
    database: str
    """`sqlite` or `postgresql`."""
    now: Instant
    """The server's clock."""
    ready: bool
    """Whether the loops have started."""
    followed: list[str]
    """The sources that this server itself follows."""
    sources: list[SourceView]
    """Every source with the revision in force and the one tried last."""


async def revisions(call: Call[RevisionQuery, NoBody]) -> Reply:
    """Revisions that were tried, whether they were applied or not."""
    query = call.query
    before = int(decode_cursor(query.cursor, "revisions", int)[0]) if query.cursor else None
    attempts = await call.context.database.aread(
        lambda tx: list_attempts(
            tx,
            source_id=query.source,
            workspaces=call.caller.workspaces,
            before=before,
            limit=query.limit + 1,
        )
    )
    items = [RevisionView.of(attempt, call.caller) for attempt in attempts[: query.limit]]
    more = len(attempts) > query.limit
    cursor = encode_cursor("revisions", items[-1].id) if more else None
    return Reply(content=RevisionPage(items=items, next_cursor=cursor))


async def revision(call: Call[NoQuery, NoBody]) -> Reply:
    """One revision with what it changed, field by field; secrets are masked."""
    number, caller = int(call.path[NUMBER]), call.caller
    detail = await call.context.database.aread(lambda tx: read_revision(tx, number, caller))
    return Reply(content=detail)


async def drift(call: Call[SourceQuery, NoBody]) -> Reply:
    """What was changed by hand since it was applied."""
    sees_all = call.caller.workspaces is None
    drifted = await asyncio.to_thread(
        find_drift, call.context.database, call.query.source, call.caller.workspaces
    )
    return Reply(content=DriftPage(items=list(drift_report(drifted, names_sources=sees_all))))


async def status(call: Call[NoQuery, NoBody]) -> Reply:
    """The server at a glance."""
    context = call.context
    positions = context.followed()
    sources = await context.database.aread(lambda tx: source_views(tx, call.caller, positions))
    seen = {source.id for source in sources}
    limited = call.caller.workspaces is not None
    followed = sorted(source for source in positions if not limited or source in seen)
    return Reply(
        content=ServerStatus(
            version=__version__,
            database=context.database.name,
            now=context.clock.now(),
            ready=context.readiness().ready,
            followed=followed,
            sources=sources,
        )
    )


async def export(call: Call[SourceQuery, NoBody]) -> Reply:
    """Manifests of all that is there: JSON, or a stream of YAML documents by Accept."""
    documents = await asyncio.to_thread(
        export_documents, call.context.database, call.query.source, call.caller.workspaces
    )
    if prefers_yaml(call.request.headers.get("accept")):
        text = "---\n".join(to_yaml(document) for document in documents)
        return Reply(content=text, media_type=YAML)
    content: dict[str, Any] = {"items": list(documents), "nextCursor": None}
    return Reply(content=content)


_EXPORT = Content(
    description="Manifests, defaults left out in YAML.",
    media={"application/json": ExportPage, YAML: None},
    headers=("ETag",),
)

OPERATIONS = (
    Operation(
        method="GET", path="/v1/revisions", handler=revisions, role=Role.VIEWER, tag="sources",
        summary="List revisions", query=RevisionQuery,
        answers={200: json_content(RevisionPage, "One page of revisions, newest first.", "ETag")},
    ),
    Operation(
        method="GET", path="/v1/revisions/{number}", handler=revision, role=Role.VIEWER,
        tag="sources", summary="Show a revision and its plan", problems=(404,),
        answers={200: json_content(RevisionDetail, "The revision.", "ETag")},
    ),
    Operation(
        method="GET", path="/v1/drift", handler=drift, role=Role.VIEWER, tag="sources",
        summary="Show drift", query=SourceQuery,
        answers={200: json_content(DriftPage, "All that has drifted.", "ETag")},
    ),
    Operation(
        method="GET", path="/v1/status", handler=status, role=Role.VIEWER, tag="sources",
        summary="Show the server's status",
        answers={200: json_content(ServerStatus, "The server at a glance.", "ETag")},
    ),
    Operation(
        method="GET", path="/v1/export", handler=export, role=Role.VIEWER, tag="sources",
        summary="Export manifests", query=SourceQuery, answers={200: _EXPORT},
    ),
)  # fmt: skip
