"""Saved plans: `plan --out FILE` writes them, `apply FILE` carries them out without the sources.

A file may come from a job that strangers can trigger, so that everything in it is validated again.
Its checksum finds damage and clumsy edits; it is no signature.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import Field, ValidationError

from reconciler.core.base.errors import InvalidManifests, StalePlan, UsageError
from reconciler.core.base.identity import Key, Revision
from reconciler.core.manifest.checks import OFFLINE, Policy
from reconciler.core.manifest.checks.recheck import problems_of
from reconciler.core.manifest.fields import Instant, Model, format_instant
from reconciler.core.manifest.model import Manifest
from reconciler.core.manifest.state import Declared, Desired, FileDigest, Origin
from reconciler.core.plan.footprint import Footprint, Touched
from reconciler.core.plan.plan import Plan

FORMAT_VERSION = 1
MAX_BYTES = 256 * 1024**2
"""The largest saved plan that is read."""


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """A plan as it was saved: what was desired, and what the plan depended on.

    Make it again with `make_plan(current, saved.desired, self_heal=saved.self_heal)`, then ask
    `check_still_holds(saved, fresh)`. The objects are valid one by one; whether their references
    resolve depends on Current: ask `recheck.problems_of` with `external`.
    """

    desired: Desired
    footprint: Footprint
    self_heal: bool

    @property
    def digest(self) -> str:
        """The digest of the plan when it was saved."""
        return self.footprint.digest


def write_plan(plan: Plan, desired: Desired, *, self_heal: bool = True) -> str:
    """The text of a saved plan: one JSON object. It holds documents whole: write it mode 0600."""
    body = {
        "formatVersion": FORMAT_VERSION,
        "digest": plan.digest,
        "sourceId": plan.source_id,
        "revision": _revision(plan.revision),
        "selfHeal": self_heal,
        "owned": plan.footprint.owned,
        "touched": [entry._asdict() for entry in plan.footprint.touched],
        "objects": [_object(declared) for declared in desired.objects.values()],
        "files": [_file(file) for file in desired.files],
    }
    return json.dumps({**body, "checksum": _checksum(body)}, indent=1) + "\n"


def read_plan(text: str | bytes, policy: Policy = OFFLINE) -> SavedPlan:
    """Read what `write_plan` wrote, trusting nothing in it.

    Raises `UsageError` if the text is no saved plan or one of another format, `StalePlan` if its
    digests are missing or do not belong to its content, and `InvalidManifests` if it holds what no
    manifest may say or what `policy`, the operator's choice, does not let manifests reach.
    """
    body = _parse(text)
    version = body.get("formatVersion")
    if version != FORMAT_VERSION or isinstance(version, bool):
        raise UsageError(
            f"this is no saved plan of format {FORMAT_VERSION} (found formatVersion {version!r}); "
            "save it again with this version: reconciler plan PATH --out FILE"
        )
    checksum = body.pop("checksum", None)
    if not isinstance(body.get("digest"), str) or not isinstance(checksum, str):
        raise StalePlan("the saved plan has no digest, and a plan without one is refused")
    if checksum != _checksum(body):
        raise StalePlan("the saved plan was damaged or edited after it was saved; plan again")
    saved = _saved(_validated(body))
    if problems := problems_of(saved.desired, policy):
        raise InvalidManifests(problems)
    return saved


class _Revision(Model):
    id: str = Field(max_length=200)
    author: str | None = None
    subject: str | None = None
    committed_at: Instant | None = None


class _Position(Model):
    path: str
    line: int = Field(ge=1)
    column: int = Field(ge=1)
    revision: str | None = Field(default=None, max_length=200)


class _Object(Model):
    origin: _Position
    manifest: Manifest


class _Name(Model):
    kind: str = Field(max_length=63)
    workspace: str = Field(max_length=63)
    name: str = Field(max_length=63)


class _File(Model):
    path: str
    digest: str = Field(max_length=128)
    keys: tuple[_Name, ...] = Field(default=(), strict=False)


class _Touched(_Name):
    action: str = Field(max_length=20)
    id: str = Field(max_length=64)
    was: str | None = Field(max_length=63)
    before: str | None = Field(max_length=64)
    after: str | None = Field(max_length=64)
    owner: str | None = Field(max_length=200)


class _Body(Model):
    format_version: int
    digest: str
    source_id: str = Field(min_length=1, max_length=200)
    revision: _Revision
    self_heal: bool
    owned: int | None = Field(ge=0)
    touched: tuple[_Touched, ...] = Field(strict=False)
    objects: tuple[_Object, ...] = Field(strict=False)
    files: tuple[_File, ...] = Field(strict=False)


def _parse(text: str | bytes) -> dict[str, Any]:
    if len(text) > MAX_BYTES:
        raise UsageError(f"a saved plan is at most {MAX_BYTES // 1024**2} MiB, this one is larger")
    try:
        body = json.loads(text.decode() if isinstance(text, bytes) else text)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise UsageError("this is no saved plan; write one with: reconciler plan PATH --out FILE")
    return body


def _validated(body: dict[str, Any]) -> _Body:
    try:
        return _Body.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"the saved plan is malformed at {where}: {first['msg']}") from None
    except RecursionError:
        raise UsageError("the saved plan is malformed: it is nested too deeply") from None


def _saved(body: _Body) -> SavedPlan:
    objects = {}
    for declared in _declared(body):
        if declared.key in objects:
            raise UsageError(f"the saved plan is malformed: it holds {declared.key} twice")
        objects[declared.key] = declared
    revision = Revision(**dict(body.revision))
    files = tuple(
        FileDigest(f.path, f.digest, tuple(Key(k.kind, k.workspace, k.name) for k in f.keys))
        for f in body.files
    )
    touched = tuple(Touched(**dict(entry)) for entry in body.touched)
    footprint = Footprint(body.source_id, touched, body.owned)
    _require_own_digests(body.digest, footprint, objects)
    return SavedPlan(Desired(body.source_id, revision, objects, files), footprint, body.self_heal)


def _declared(body: _Body) -> Iterator[Declared]:
    for entry in body.objects:
        yield Declared.of(entry.manifest, Origin(body.source_id, **dict(entry.origin)))


def _require_own_digests(digest: str, footprint: Footprint, objects: dict[Key, Declared]) -> None:
    if digest != footprint.digest:
        raise StalePlan("the digest of the saved plan is not that of its changes; plan again")
    for entry in footprint.touched:
        declared = objects.get(entry.key)
        if entry.after is not None and (declared is None or declared.digest != entry.after):
            raise StalePlan(f"the saved plan does not hold what it says of {entry.key}; plan again")


def _checksum(body: dict[str, Any]) -> str:
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _revision(revision: Revision) -> dict[str, Any]:
    moment = revision.committed_at
    return {
        "id": revision.id,
        "author": revision.author,
        "subject": revision.subject,
        "committedAt": format_instant(moment) if moment else None,
    }


def _object(declared: Declared) -> dict[str, Any]:
    at = declared.origin
    origin = {"path": at.path, "line": at.line, "column": at.column, "revision": at.revision}
    return {"origin": origin, "manifest": declared.document}


def _file(file: FileDigest) -> dict[str, Any]:
    return {"path": file.path, "digest": file.digest, "keys": [key._asdict() for key in file.keys]}
