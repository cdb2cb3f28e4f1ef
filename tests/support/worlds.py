"""Small worlds of manifests and rows, and the pure model of applying a plan.

`apply_to` is what the store has to do, without a database: the same plan gives the same Current.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from reconciler.core.base.identity import Key, Revision
from reconciler.core.manifest.model import MODELS
from reconciler.core.manifest.state import (
    Current,
    Declared,
    Desired,
    FileDigest,
    Origin,
    Stored,
    digest_of,
)
from reconciler.core.plan.changes import Archive, Blocked, Change, Create, Move, Restore, Update
from reconciler.core.plan.plan import Plan

SOURCE = "default"
FILES = (FileDigest("all.yaml", "0" * 64),)


def declared(
    kind: str, name: str, spec: dict[str, Any], *, line: int = 1, **metadata: Any
) -> Declared:
    """An object as the loader gives it; `metadata` takes workspace, labels and formerNames."""
    manifest = MODELS[kind].model_validate(
        {
            "apiVersion": "autopilots/v1",
            "kind": kind,
            "metadata": {"name": name, **metadata},
            "spec": spec,
        }
    )
    origin = Origin(SOURCE, f"{kind.lower()}s/{name}.yaml", line)
    return Declared.of(manifest, origin)


def agent(
    name: str = "bot",
    *,
    limit: int = 10,
    line: int = 1,
    budget: Any = None,
    **metadata: Any,
) -> Declared:
    """An agent whose workers claim."""
    spec: dict[str, Any] = {"maxConcurrency": limit, "runtime": {"type": "worker"}}
    spec |= {} if budget is None else {"budget": budget}
    return declared("Agent", name, spec, line=line, **metadata)


def squad(name: str, *members: str, **metadata: Any) -> Declared:
    """A squad of these agents."""
    return declared("Squad", name, {"members": list(members)}, **metadata)


def autopilot(
    name: str,
    *,
    former: Iterable[str] = (),
    assignee: tuple[str, str] = ("agent", "bot"),
    line: int = 1,
    workspace: str = "default",
    labels: dict[str, str] | None = None,
    **spec: Any,
) -> Declared:
    """An autopilot; `spec` takes fields as YAML writes them."""
    said = {"title": "A title", "assignee": {"type": assignee[0], "id": assignee[1]}, **spec}
    return declared(
        "Autopilot",
        name,
        said,
        line=line,
        workspace=workspace,
        formerNames=list(former),
        labels=labels or {},
    )


def schedule(name: str, cron: str = "0 9 * * *", **fields: Any) -> dict[str, Any]:
    """A schedule trigger as YAML writes it."""
    return {"name": name, "kind": "schedule", "cron": cron, **fields}


def desired(
    *objects: Declared,
    source: str = SOURCE,
    revision: str = "r1",
    files: tuple[FileDigest, ...] = FILES,
) -> Desired:
    """What a source says."""
    return Desired(source, Revision(revision), {each.key: each for each in objects}, files)


def row(
    of: Declared,
    *,
    source: str | None = SOURCE,
    applied: bool = True,
    now: Declared | None = None,
    **other: Any,
) -> Stored:
    """The row of an applied object; with `now` it has drifted to that since."""
    meaning = now or of
    stored = Stored(
        key=meaning.key,
        id=of.id,
        document=meaning.document,
        digest=meaning.digest,
        source_id=source,
        origin=replace(of.origin, source_id=source or SOURCE),
        applied=of.document if applied else None,
        applied_digest=of.digest if applied else None,
    )
    return replace(stored, **other)


def current(*rows: Stored) -> Current:
    """What the database holds; archived rows are told by their flag."""
    live = {each.key: each for each in rows if not each.archived}
    return Current(live, {each.id: each for each in rows if each.archived})


def archived(of: Declared, **other: Any) -> Stored:
    """The row of an object that left its source."""
    return row(of, archived=True, **other)


def apply_to(before: Current, plan: Plan) -> Current:
    """Current after the plan was carried out: what leaves and what moves gives up its name first.

    Fails where a database would: a living name is unique in workspace and kind at every step.
    """
    live, gone = dict(before.objects), dict(before.archived)
    for change in plan.changes:
        match change:
            case Archive(row):
                gone[row.id] = replace(live.pop(row.key), archived=True)
            case Move(row):
                del live[row.key]
            case _:
                pass
    for change in plan.changes:
        _apply(change, plan.source_id, live, gone)
    for refresh in plan.refreshes:
        live[refresh.before.key] = _row(refresh.before.id, refresh.after, plan.source_id)
    return Current(live, gone, plan.revision)


def _apply(
    change: Change, source_id: str, live: dict[Key, Stored], gone: dict[str, Stored]
) -> None:
    match change:
        case Archive():
            pass
        case Create(after):
            assert change.id not in gone, "the id is taken by an archived row"
            _insert(live, _row(change.id, after, source_id))
        case Move(_, after):
            _insert(live, _row(change.id, after, source_id))
        case Update(before, after):
            del live[before.key]
            _insert(live, _row(change.id, after, source_id))
        case Restore(before, after):
            del gone[before.id]
            _insert(live, _row(change.id, after, source_id))
        case Blocked():
            raise AssertionError(f"a blocked plan is not applied: {change.message}")


def _insert(live: dict[Key, Stored], new: Stored) -> None:
    assert new.key not in live, f"the name {new.key} is taken"
    assert all(each.id != new.id for each in live.values()), f"the id of {new.key} is taken"
    live[new.key] = new


def _row(row_id: str, of: Declared, source_id: str) -> Stored:
    assert of.digest == digest_of(of.document)
    return row(of, source=source_id, id=row_id)
