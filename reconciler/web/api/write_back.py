"""Writes that are carried out: the answer is the object as it is in force afterwards."""

import asyncio
from typing import Any

from reconciler.control.apply.write_back import SourceWriter, StaleWrite, WriteRequest, Written
from reconciler.core.base.errors import NotFound
from reconciler.store.objects.overview import Overview, get_overview
from reconciler.web.api.edits import Edit
from reconciler.web.http.answers import Reply, encode, etag
from reconciler.web.http.operation import Call, Wire
from reconciler.web.http.precondition import require_match, stale
from reconciler.web.models.autopilot import autopilot_document


class ProposalView(Wire):
    """A write that waits to be merged."""

    branch: str
    """The branch with the commit."""
    commit: str
    """On top of the followed branch."""
    pull_request: str | None
    """The URL of the pull or merge request, where the server opens them."""
    problem: str | None
    """Why none was opened, where one was to be; the branch is there."""

    @classmethod
    def of(cls, written: Written) -> "ProposalView":
        """The view of a write."""
        return cls(
            branch=written.branch or "",
            commit=written.commit or "",
            pull_request=written.pull_request,
            problem=written.problem,
        )


async def write_back(call: Call[Any, Any], edit: Edit, writer: SourceWriter) -> Reply:
    """Write into the source (docs/write-back.md). Raises problems 412 and 428."""
    stored = edit.before.stored if edit.before else None
    request = WriteRequest(before=stored, after=edit.after, caller=call.caller)
    require_match(call.request, request.live.digest if request.live else None)
    try:
        written = await asyncio.to_thread(writer.write, request)
    except StaleWrite:
        raise stale() from None
    if not written.applied:
        return Reply(content=ProposalView.of(written), status=202)
    return await _as_it_is(call, edit)


async def _as_it_is(call: Call[Any, Any], edit: Edit) -> Reply:
    overview = await _read(call, edit)
    now = call.context.clock.now()
    document = autopilot_document(overview, call.context, now)
    tag = etag(encode(document), overview.stored.digest)
    return Reply(content=document, headers={"ETag": tag})


async def _read(call: Call[Any, Any], edit: Edit) -> Overview:
    id_ = edit.before.stored.id if edit.before else edit.after.id if edit.after else ""
    overview = await call.context.database.aread(lambda tx: get_overview(tx, id_))
    if overview is None:
        raise NotFound(f"autopilot {id_} was removed at this very moment")
    return overview
