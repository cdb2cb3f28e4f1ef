"""What a write through the API asks for: an object afterwards, and the plan of the edit."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from reconciler.core.base.errors import InvalidManifests, NotFound, Problem
from reconciler.core.base.identity import Revision
from reconciler.core.manifest.checks import OFFLINE, Policy
from reconciler.core.manifest.model import API_VERSION, Kind
from reconciler.core.manifest.state import Current, Declared, Desired, Document, Origin, Stored
from reconciler.core.plan.consequences import Surroundings
from reconciler.core.plan.plan import Plan, semantic_plan
from reconciler.manifest.load.load import load_bundle
from reconciler.manifest.referenced.fields import references_in
from reconciler.manifest.referenced.scan import scan
from reconciler.store.objects.overview import Overview
from reconciler.web.http.answers import encode

OWNED = frozenset({"id", "origin", "status"})
"""What the server adds to a manifest; ignored on write (docs/http.md#writing-manifests)."""
_BODY = "body.json"


@dataclass(frozen=True, slots=True)
class Edit:
    """One object before and after; None where it is not there.

    `named` has the fields whose text is to stand in a file of its own, and that file; those in
    `made` are not there yet. `moves`: a text stands elsewhere by now.
    """

    before: Overview | None
    after: Declared | None
    named: Mapping[str, str] = field(default_factory=dict)
    made: frozenset[str] = frozenset()
    moves: bool = False

    @property
    def id(self) -> str:
        """Of the object, before or after."""
        if self.before is not None:
            return self.before.stored.id
        return self.after.id if self.after is not None else ""

    @property
    def live(self) -> Stored | None:
        """The row that it changes; None for a creation."""
        stored = self.before.stored if self.before else None
        return None if stored is None or stored.archived else stored

    @property
    def changes_nothing(self) -> bool:
        """Whether the object is already as it is asked to be, wherever its texts stand."""
        if self.before is None or self.before.stored.archived:
            return self.after is None
        return self.after is not None and self.before.stored.digest == self.after.digest

    @property
    def writes_nothing(self) -> bool:
        """Whether its files are already as they are asked to be."""
        return self.changes_nothing and not self.moves

    @property
    def documents(self) -> list[Document]:
        """The manifest as it is and as it will be, where there is one."""
        live = self.live
        both = (live.document if live else None, self.after.document if self.after else None)
        return [document for document in both if document is not None]

    def plan(self, source_id: str, around: Current, at: datetime) -> Plan:
        """What applying just this edit would do, at the place where it belongs.

        `around` has the agents and squads that its assignees name: what they may cost and reach
        follows from the edit (docs/plan.md#what-follows).
        """
        before, after = _as_declared(self.before), self.after
        if after is not None:
            new = Origin(source_id, f"{after.key.workspace}/{after.key.name}.yaml")
            after = replace(after, origin=before.origin if before else new)
        wanted = _alone(source_id, after)
        plan = semantic_plan(_alone(source_id, before), wanted)
        return replace(plan, surroundings=Surroundings(around, wanted, at))


Beside = Callable[[str], bytes | None]
"""Reads a file that a manifest names; None for one that is not there."""


def nothing_beside(_name: str) -> None:
    """No file can be named."""


def named_in(document: Any) -> dict[str, str]:
    """The fields whose text stands in a file by what a document says, and that file."""
    return {reference.field.into: reference.file for reference in references_in(document)}


def naming(document: Document, raw: Any) -> Document:
    """The document with the files that `raw` names in place of their texts."""
    spec = dict(document["spec"])
    for reference in references_in(raw):
        spec.pop(reference.field.into, None)
        spec[reference.field.name] = {"file": reference.file}
    return {**document, "spec": spec}


def declared(
    body: Mapping[str, Any],
    source_id: str,
    policy: Policy = OFFLINE,
    beside: Beside = nothing_beside,
) -> Declared:
    """The autopilot in a body, validated as one in a file. Raises InvalidManifests.

    Whether what it refers to exists is the question of a plan, not asked here.
    """
    manifest = {name: value for name, value in body.items() if name not in OWNED}
    manifest = {"apiVersion": API_VERSION, "kind": Kind.AUTOPILOT.value, **manifest}
    return declared_text(encode(manifest), source_id, file=_BODY, policy=policy, beside=beside)


def declared_text(
    text: bytes,
    source_id: str,
    *,
    file: str,
    policy: Policy = OFFLINE,
    beside: Beside = nothing_beside,
) -> Declared:
    """The one autopilot of a text, YAML or JSON by the name of `file`. Raises InvalidManifests."""
    texts = {name: data for name in scan(text) or () if (data := beside(name)) is not None}
    contents = {**texts, file: text}
    desired = load_bundle(contents, source_id=source_id, allow_external=True, policy=policy)
    declared_, *others = desired.objects.values()
    if others or declared_.key.kind != Kind.AUTOPILOT:
        wrong = Problem(file, 1, 1, "kind", "this takes one autopilot", "kind-unknown")
        raise InvalidManifests([wrong])
    return declared_


def with_trigger(
    overview: Overview, trigger: Mapping[str, Any], trigger_id: str | None = None
) -> Document:
    """The manifest with a trigger added, or with the one of this id (or name) replaced.

    Raises NotFound for an id that is not there.
    """
    clean = {name: value for name, value in trigger.items() if name not in OWNED}
    triggers = list(overview.stored.document["spec"]["triggers"])
    names = [known["name"] for known in triggers]
    if trigger_id is not None:
        triggers[_place(overview, trigger_id)] = clean
    elif clean.get("name") in names:
        triggers[names.index(clean["name"])] = clean
    else:
        triggers.append(clean)
    return _with(overview, triggers)


def without_trigger(overview: Overview, trigger_id: str) -> Document:
    """The manifest without one trigger. Raises NotFound."""
    triggers = list(overview.stored.document["spec"]["triggers"])
    del triggers[_place(overview, trigger_id)]
    return _with(overview, triggers)


def _place(overview: Overview, trigger_id: str) -> int:
    # The rows are in the order of the manifest, and the document is made from them.
    for place, trigger in enumerate(overview.triggers):
        if trigger.id == trigger_id:
            return place
    raise NotFound(f"there is no trigger {trigger_id}")


def _with(overview: Overview, triggers: list[Document]) -> Document:
    document = overview.stored.document
    return {**document, "spec": {**document["spec"], "triggers": triggers}}


def _alone(source_id: str, declared: Declared | None) -> Desired:
    return Desired(source_id, Revision("api"), {declared.key: declared} if declared else {})


def _as_declared(overview: Overview | None) -> Declared | None:
    if overview is None or overview.stored.archived:
        return None
    stored = overview.stored
    origin = stored.origin or Origin("", "")
    return Declared(stored.key, stored.id, stored.document, stored.digest, origin)
