"""The answers to writes that were carried out: the object in force, or what waits to be merged."""

from typing import Any

from reconciler.control.apply.write_back import Written
from reconciler.core.base.errors import NotFound
from reconciler.store.objects.overview import get_overview
from reconciler.web.http.answers import Reply, encode, etag
from reconciler.web.http.operation import Call, Wire
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


async def as_in_force(call: Call[Any, Any], autopilot_id: str) -> Reply:
    """The object as it is now, with the ETag for the next write."""
    overview = await call.context.database.aread(lambda tx: get_overview(tx, autopilot_id))
    if overview is None:
        raise NotFound(f"autopilot {autopilot_id} was removed at this very moment")
    document = autopilot_document(overview, call.context, call.context.clock.now())
    tag = etag(encode(document), overview.stored.digest)
    return Reply(content=document, headers={"ETag": tag})
