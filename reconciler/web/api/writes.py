"""Writes of manifests through the API: YAML is the source of truth.

What changes nothing is answered 200. What would change an object is written into its source where
this server may do so (write_back.py); else it is answered 409 with the place where it belongs.
"""

import asyncio
from typing import Any, ClassVar

from pydantic import ConfigDict, JsonValue

from reconciler.core.access.roles import Role
from reconciler.core.base.identity import Key
from reconciler.core.manifest.model import Autopilot
from reconciler.core.manifest.state import Declared, Document
from reconciler.core.manifest.trigger import Trigger
from reconciler.core.plan.report import PlanReport, report_of
from reconciler.store.engine.database import Tx
from reconciler.store.objects.current import find
from reconciler.store.objects.overview import Overview, get_overview
from reconciler.web.api.autopilots import read_one
from reconciler.web.api.edits import Edit, declared, with_trigger, without_trigger
from reconciler.web.api.patch import suggested_patch
from reconciler.web.api.write_back import ProposalView, write_back
from reconciler.web.http.answers import Reply
from reconciler.web.http.operation import (
    Call,
    Content,
    NoBody,
    NoQuery,
    Operation,
    Wire,
    json_content,
)
from reconciler.web.http.parameters import Text
from reconciler.web.http.problems import MEDIA_TYPE, HttpProblem
from reconciler.web.models.autopilot import AutopilotView, OriginView, autopilot_document


class ManifestBody(Wire):
    """A manifest, or a part of one; its own rules are those of a file."""

    model_config = ConfigDict(extra="allow")

    __pydantic_extra__: dict[str, JsonValue]

    def document(self) -> Document:
        """The body as it came."""
        return dict(self.__pydantic_extra__)


class AutopilotBody(ManifestBody):
    """An autopilot's manifest."""

    described_by: ClassVar[Any] = Autopilot


class TriggerBody(ManifestBody):
    """One trigger of a manifest."""

    described_by: ClassVar[Any] = Trigger


class CreateQuery(Wire):
    """Where a new autopilot belongs."""

    source: Text | None = None
    """The source; needed where the server follows several."""


async def create(call: Call[CreateQuery, AutopilotBody]) -> Reply:
    """A new autopilot, or one that is there already and just so."""
    after = declared(call.body.document(), _new_source(call))
    _require_sight(call, after.key)

    def read(tx: Tx) -> Overview | None:
        stored = find(tx, after.key)
        return get_overview(tx, stored.id) if stored else None

    before = await call.context.database.aread(read)
    return await _decide(call, Edit(before, after))


async def replace(call: Call[NoQuery, AutopilotBody]) -> Reply:
    """An autopilot's manifest as a whole."""
    before = await read_one(call)
    return await _decide(call, Edit(before, _declared(call, before, call.body.document())))


async def remove(call: Call[NoQuery, NoBody]) -> Reply:
    """An autopilot leaves its source."""
    return await _decide(call, Edit(await read_one(call), None))


async def add_trigger(call: Call[NoQuery, TriggerBody]) -> Reply:
    """One trigger more, or one that is there already and just so."""
    before = await read_one(call)
    document = with_trigger(before, call.body.document())
    return await _decide(call, Edit(before, _declared(call, before, document)))


async def replace_trigger(call: Call[NoQuery, TriggerBody]) -> Reply:
    """One trigger as a whole."""
    before = await read_one(call)
    trigger_id = call.path["triggerId"].lower()
    document = with_trigger(before, call.body.document(), trigger_id)
    return await _decide(call, Edit(before, _declared(call, before, document)))


async def remove_trigger(call: Call[NoQuery, NoBody]) -> Reply:
    """One trigger less."""
    before = await read_one(call)
    document = without_trigger(before, call.path["triggerId"].lower())
    return await _decide(call, Edit(before, _declared(call, before, document)))


def _declared(call: Call[Any, Any], before: Overview, document: Document) -> Declared:
    after = declared(document, _source(call, before))
    _require_sight(call, after.key)
    return after


def _require_sight(call: Call[Any, Any], key: Key) -> None:
    if not call.caller.sees(key.workspace):
        raise HttpProblem(403, "forbidden", f"the token does not reach workspace {key.workspace}")


def _source(call: Call[Any, Any], before: Overview | None) -> str:
    own = before.stored.source_id if before else None
    return own or _new_source(call)


def _new_source(call: Call[Any, Any]) -> str:
    """The source that a new object goes into: the one that was named, or the only one there is."""
    if isinstance(call.query, CreateQuery) and call.query.source:
        return call.query.source
    followed = call.context.followed()
    return next(iter(followed)) if len(followed) == 1 else call.context.settings.source


async def _decide(call: Call[Any, Any], edit: Edit) -> Reply:
    """200 where nothing would change; else the write, or where the change belongs."""
    if edit.changes_nothing and edit.before is not None:
        now = call.context.clock.now()
        return Reply(content=autopilot_document(edit.before, call.context, now))
    stored = edit.before.stored if edit.before else None
    origin = stored.origin if stored and not stored.archived else None
    source = _source(call, edit.before)
    if writer := call.context.writer(source):
        return await write_back(call, edit, writer)
    plan = edit.plan(source)
    patch = await asyncio.to_thread(suggested_patch, edit, call.context.files(source))
    raise HttpProblem(
        409,
        "yaml-is-the-source",
        _where(edit, origin.path if origin else None),
        origin=OriginView.of(origin).model_dump(by_alias=True) if origin else None,
        plan=report_of(plan).to_json(),
        suggestedPatch=patch,
    )


def _where(edit: Edit, path: str | None) -> str:
    if path is not None and edit.before is not None and edit.before.stored.origin is not None:
        place = f"{path}:{edit.before.stored.origin.line}"
        return f"manifests are changed in git, not here: edit {place} and apply it"
    if edit.after is None:
        return "manifests are changed in git, not here, and no source owns this object"
    name = f"{edit.after.key.workspace}/{edit.after.key.name}.yaml"
    return f"manifests are made in git, not here: add {name} and apply it"


class Refusal(Wire):
    """Why a write was not carried out, and what to do instead."""

    type: str
    """A URN of the code."""
    title: str
    """The phrase of the status."""
    status: int
    """409."""
    detail: str
    """What to do instead."""
    code: str
    """`yaml-is-the-source`."""
    origin: OriginView | None
    """Where the object is written; null for one that is not there yet."""
    plan: PlanReport
    """What the edit would do."""
    suggested_patch: str | None
    """A unified diff that `git apply` takes; null where this server cannot read the file."""


_ANSWERS = {
    200: json_content(AutopilotView, "As it is in force now.", "ETag"),
    202: json_content(ProposalView, "A commit on a branch of its own (`write_policy` `branch`)."),
    409: Content(description="What to do instead.", media={MEDIA_TYPE: Refusal}),
}


_IF_MATCH = "The ETag of the object as it was read; asked for where writes are carried out."


def _operation(
    method: str, path: str, handler: Any, summary: str, body: Any, query: Any = NoQuery
) -> Any:
    return Operation(
        method=method,
        path=path,
        handler=handler,
        role=Role.ADMIN,
        tag="autopilots",
        summary=summary,
        body=body,
        query=query,
        headers={"If-Match": _IF_MATCH},
        answers=_ANSWERS,
        problems=(403, 404, 412, 422, 428),
    )


_TRIGGERS = "/v1/autopilots/{id}/triggers"
OPERATIONS = (
    _operation("POST", "/v1/autopilots", create, "Create an autopilot", AutopilotBody, CreateQuery),
    _operation("PUT", "/v1/autopilots/{id}", replace, "Replace an autopilot", AutopilotBody),
    _operation("DELETE", "/v1/autopilots/{id}", remove, "Remove an autopilot", NoBody),
    _operation("POST", _TRIGGERS, add_trigger, "Add a trigger", TriggerBody),
    _operation(
        "PUT", f"{_TRIGGERS}/{{triggerId}}", replace_trigger, "Replace a trigger", TriggerBody
    ),
    _operation("DELETE", f"{_TRIGGERS}/{{triggerId}}", remove_trigger, "Remove a trigger", NoBody),
)
