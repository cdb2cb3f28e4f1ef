"""Plans and applies through a server: the manifests are read here, and judged there."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from reconciler.cli.backend.connection import Connection
from reconciler.cli.backend.state import ApplyResult, PlanRequest, PlanResult, Simulated
from reconciler.cli.progress import progress
from reconciler.cli.saved_plan import is_saved_plan, load_plan, read_bytes, require_source
from reconciler.cli.session import seen_from_here
from reconciler.control.apply.sources import open_path
from reconciler.core.base.errors import InvalidManifests, Objection, Problem
from reconciler.core.base.identity import Revision
from reconciler.core.manifest.fields import format_instant
from reconciler.core.plan.plan import Descent
from reconciler.core.plan.report import PlanReport
from reconciler.manifest.files import File, Source, joined
from reconciler.manifest.git.checkout import order_around
from reconciler.manifest.load.gather import named_files
from reconciler.settings import Settings

Order = dict[str, Any]
"""The body of a plan; with a digest that of an apply."""
_OBJECTIONS = TypeAdapter(list[Objection])


@dataclass(frozen=True, slots=True)
class RemoteApply:
    """A plan that the server made, and what it was made of."""

    connection: Connection
    order: Order
    result: PlanResult

    @property
    def shown(self) -> PlanResult:
        """The plan, and what will refuse it."""
        return self.result

    def carry_out(self) -> ApplyResult:
        """Have the server apply it, if it is still the plan that was shown."""
        body = {**self.order, "digest": self.result.report.digest}
        with progress("applying"):
            answer = json.loads(self.connection.post("/v1/apply", body))
        return ApplyResult(answer["revision"], answer["attempt"] is None, len(answer["cancelled"]))


def plan(settings: Settings, connection: Connection, request: PlanRequest) -> PlanResult:
    """Have the server plan the manifests at a path."""
    return _planned(connection, _of_path(settings, connection, request))


def simulate(
    settings: Settings,
    connection: Connection,
    request: PlanRequest,
    since: datetime,
    until: datetime,
) -> Simulated:
    """Have the server simulate the manifests at a path."""
    order = _of_path(settings, connection, request)
    stretch = {"from": format_instant(since), "to": format_instant(until)}
    with progress("simulating"):
        content = connection.post("/v1/simulate", {**order, **stretch})
    return Simulated(json.loads(content))


def prepare(settings: Settings, connection: Connection, request: PlanRequest) -> RemoteApply:
    """Have the server plan what a path or a saved plan asks for."""
    saved = request.path != "-" and is_saved_plan(Path(request.path))
    if saved:
        order = _of_saved(settings, connection, request)
    else:
        order = _of_path(settings, connection, request)
    try:
        result = _planned(connection, order)
    except InvalidManifests as error:
        raise (error if saved else seen_from_here(error, request.path)) from None
    return RemoteApply(connection, order, result)


def _planned(connection: Connection, order: Order) -> PlanResult:
    with progress("planning"):
        content = connection.post("/v1/plan", order)
    answer = json.loads(content)
    return PlanResult(
        report=PlanReport.model_validate_json(content),
        source_id=answer["sourceId"],
        objections=tuple(_OBJECTIONS.validate_python(answer["objections"])),
        saved=answer["savedPlan"],
    )


def _of_path(settings: Settings, connection: Connection, request: PlanRequest) -> Order:
    """Every file of the source as it is here; one that cannot be read says why."""
    opened = open_path(request.path, allow_file=request.named_source)
    with progress("reading manifests"):
        files, texts = _read(opened.source)
        # A checkout knows whether it is the commit only once its files are read.
        revision = opened.revision() if callable(opened.revision) else opened.revision
    return {
        "sourceId": settings.source,
        "files": files,
        "texts": texts,
        "selfHeal": settings.self_heal,
        **_order(request),
        **_revision(revision),
        **_descent(connection, settings.source, opened.descends, revision),
    }


def _of_saved(settings: Settings, connection: Connection, request: PlanRequest) -> Order:
    """The saved plan as it is. It is read here too, so that a damaged one is not sent."""
    path = Path(request.path)
    saved = load_plan(path)
    source_id, revision = saved.desired.source_id, saved.desired.revision
    require_source(settings, source_id)
    descends = order_around(Path.cwd(), revision.id)
    return {
        "savedPlanBase64": base64.b64encode(read_bytes(path)).decode(),
        **_order(request),
        **_descent(connection, source_id, descends, revision),
    }


def _order(request: PlanRequest) -> Order:
    return {
        "confirmDeletes": request.confirm_deletes,
        "allowRewrites": request.allow_rewrites,
        "save": request.save,
    }


def _read(source: Source) -> tuple[list[Order], list[Order]]:
    """The manifest files as they are sent, and the files that these name."""
    files: list[Order] = []
    texts: dict[str, Order] = {}
    for file in source.files():
        files.append(_file(file))
        if isinstance(file.content, bytes):
            for name in named_files(file.content, file.path):
                path = joined(file.path, name)
                texts[path] = _file(File(path, source.beside(file.path, name)))
    return files, [*texts.values()]


def _file(file: File) -> Order:
    match file.content:
        case Problem() as problem:
            reason = {"code": problem.code, "message": problem.message}
            return {"path": file.path, "unreadable": reason}
        case content:
            return {"path": file.path, "contentBase64": base64.b64encode(content).decode()}


def _revision(revision: Revision | None) -> Order:
    if revision is None:
        return {}
    moment = revision.committed_at
    return {
        "revision": {
            "id": revision.id,
            "author": revision.author,
            "subject": revision.subject,
            "committedAt": format_instant(moment) if moment else None,
        }
    }


def _descent(
    connection: Connection,
    source_id: str,
    descends: Callable[[Revision], Descent] | None,
    revision: Revision | None,
) -> Order:
    """What git says here of the commit and the one that the server applied last.

    The server has no clone to ask. It refuses the answer if it has applied another one since.
    """
    if descends is None or revision is None:
        return {}
    sources = json.loads(connection.get("/v1/status"))["sources"]
    precedent = next((s.get("precedent") for s in sources if s["id"] == source_id), None)
    if precedent is None:
        return {}
    return {"descent": {"precedent": precedent, "descends": descends(Revision(precedent))}}
