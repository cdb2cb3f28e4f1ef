"""Desired and Current: what the manifests say and what the database holds.

Both are plain values that `diff.py` compares. Neither knows files or SQL.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from reconciler.core.base.errors import Problem
from reconciler.core.base.identity import Key, Revision
from reconciler.core.manifest.model import AnyManifest, Kind

Document = dict[str, Any]
"""A manifest as canonical JSON values: what `ManifestModel.document()` gives."""


def digest_of(document: Document) -> str:
    """The SHA-256 (hex) of a document's canonical JSON: sorted keys, triggers by name.

    Two manifests with the same digest mean the same; the order of triggers and
    `metadata.annotations` are not part of it.
    """
    text = _plain_json(document)
    if text is None:
        text = canonical(document).encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).hexdigest()


def _plain_json(document: Document) -> bytes | None:
    """The bytes of `canonical`, in a quarter of the time; None where orjson would write others.

    It escapes fewer characters, and has words of its own for numbers that are no integers, which
    an autopilot has in its budget only (decision 0180).
    """
    if document.get("kind") != Kind.AUTOPILOT or "budget" in (document.get("spec") or ()):
        return None
    try:
        text = orjson.dumps(_sorted(_without_annotations(document)), option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return None
    return text if text.isascii() and b"\x7f" not in text else None


def canonical(document: Document) -> str:
    """Canonical JSON: sorted keys, no white space, triggers sorted by name, no annotations."""
    return _as_json(_sorted(_without_annotations(document)))


_as_json = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=True, check_circular=False
).encode


def annotations_of(document: Document) -> dict[str, str]:
    """The annotations of a document; one that was applied before there were any has none."""
    annotations: dict[str, str] = document["metadata"].get("annotations", {})
    return annotations


def _without_annotations(document: Document) -> Document:
    # Tools write them, kustomize among others; two manifests that differ in them mean the same.
    metadata = document.get("metadata")
    if not isinstance(metadata, dict) or "annotations" not in metadata:
        return document
    named = {key: value for key, value in metadata.items() if key != "annotations"}
    return {**document, "metadata": named}


def _sorted(document: Document) -> Document:
    spec = document.get("spec")
    if not spec or not spec.get("triggers"):
        return document
    triggers = sorted(spec["triggers"], key=lambda trigger: str(trigger["name"]))
    return {**document, "spec": {**spec, "triggers": triggers}}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an object was written. `line` and `column` count from 1."""

    source_id: str
    path: str
    line: int = 1
    column: int = 1
    revision: str | None = None


@dataclass(frozen=True, slots=True)
class Declared:
    """One object of Desired: its canonical document, the digest of that, and where it stands.

    The document rather than the model travels through diff and plan, so that what did not change
    since it was last applied need not be parsed or validated again.
    """

    key: Key
    id: str
    document: Document
    digest: str
    origin: Origin

    @classmethod
    def of(cls, manifest: AnyManifest, origin: Origin) -> "Declared":
        """Declare a validated manifest."""
        document = manifest.document()
        return cls(manifest.key, manifest.id, document, digest_of(document), origin)


@dataclass(frozen=True, slots=True)
class FileDigest:
    """One file of a source as it was read: its path, the SHA-256 of its bytes, its objects."""

    path: str
    digest: str
    keys: tuple[Key, ...] = ()


@dataclass(frozen=True, slots=True)
class Desired:
    """What one source's manifests say, all of it valid; `warnings` where that was asked for."""

    source_id: str
    revision: Revision
    objects: Mapping[Key, Declared]
    files: tuple[FileDigest, ...] = ()
    warnings: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Stored:
    """One row of Current.

    `document` is what the row means now; `applied` what was last applied to it, so that the two
    differ exactly where the row has drifted. `source_id` is None for a row that no source owns.
    """

    key: Key
    id: str
    document: Document
    digest: str
    source_id: str | None
    origin: Origin | None = None
    applied: Document | None = None
    applied_digest: str | None = None
    archived: bool = False

    @property
    def drifted(self) -> bool:
        """Whether the row no longer equals what was last applied."""
        return self.applied_digest is not None and self.digest != self.applied_digest


@dataclass(frozen=True, slots=True)
class Current:
    """What the database holds, of all sources: every live object, and archived ones beside them.

    Live objects are keyed by what names them, archived ones by their id: several archived objects
    may have had the same name. `applied` is the revision that was last applied for the source in
    question, with `files` as they were then; `commit` the last one that was a commit. `fingerprint`
    is another number once anything of any object is; only numbers of one process can be compared.
    """

    objects: Mapping[Key, Stored] = field(default_factory=dict)
    archived: Mapping[str, Stored] = field(default_factory=dict)
    applied: Revision | None = None
    files: Mapping[str, FileDigest] = field(default_factory=dict)
    commit: Revision | None = None
    fingerprint: int = 0

    @property
    def precedent(self) -> Revision | None:
        """The revision that the next one has to descend from: only commits have an order."""
        return self.commit or self.applied


def former_names(document: Document) -> tuple[str, ...]:
    """The names that a document says its object had before, the first one first."""
    return tuple(document["metadata"].get("formerNames", ()))


def references_of(document: Document) -> tuple[Key, ...]:
    """The objects that a document names: an autopilot's assignee, a squad's members."""
    workspace = document["metadata"]["workspace"]
    match document["kind"]:
        case "Autopilot":
            assignee = document["spec"]["assignee"]
            return (Key(assignee["type"].capitalize(), workspace, assignee["id"]),)
        case "Squad":
            return tuple(Key("Agent", workspace, m) for m in document["spec"]["members"])
        case _:
            return ()
