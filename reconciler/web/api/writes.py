"""Writes of manifests through the API: YAML is the source of truth.

What changes nothing is answered 200. What would change an object is written into its source where
this server may do so (write_back.py); else it is answered 409 with the place where it belongs.
"""

from typing import Any, ClassVar

from pydantic import ConfigDict, JsonValue

from reconciler.control.apply.write_back import StaleWrite
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
from reconciler.web.api.write_back import ProposalView, as_in_force
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
from reconciler.web.http.precondition import require_match, stale
from reconciler.web.http.problems import MEDIA_TYPE, HttpProblem
from reconciler.web.models.autopilot import AutopilotView, OriginView, autopilot_document
from reconciler.web.writing.edits import Edit, declared, with_trigger, without_trigger
from reconciler.web.writing.outcome import (
    InForce,
    NotHere,
    Outcome,
    Proposed,
    Unchanged,
    carry_out,
    source_of,
)


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
    after = declared(call.body.document(), _source(call, None))
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
    named = call.query.source if isinstance(call.query, CreateQuery) else None
    return source_of(call.context, before, named)


async def _decide(call: Call[Any, Any], edit: Edit) -> Reply:
    """200 where nothing would change; else the write, or where the change belongs."""
    source = _source(call, edit.before)
    if call.context.writer(source) and not (edit.changes_nothing and edit.before):
        require_match(call.request, edit.live.digest if edit.live else None)
    try:
        outcome = await carry_out(call.context, call.caller, edit, source)
    except StaleWrite:
        raise stale() from None
    return await _answer(call, outcome)


async def _answer(call: Call[Any, Any], outcome: Outcome) -> Reply:
    match outcome:
        case Unchanged(overview):
            now = call.context.clock.now()
            return Reply(content=autopilot_document(overview, call.context, now))
        case InForce(id_):
            return await as_in_force(call, id_)
        case Proposed(written):
            return Reply(content=ProposalView.of(written), status=202)
        case NotHere(why, origin, plan, patch):
            raise HttpProblem(
                409,
                "yaml-is-the-source",
                why,
                origin=OriginView.of(origin).model_dump(by_alias=True) if origin else None,
                plan=report_of(plan).to_json(),
                suggestedPatch=patch,
            )


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
