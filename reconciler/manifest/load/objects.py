"""One document of a file to one object: kind, structure, then the rules of one object."""

import re
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from reconciler.core.base.codes import Code
from reconciler.core.base.identity import Key
from reconciler.core.base.near import NearMisses, listed, shown, vocabulary
from reconciler.core.manifest.checks import Policy, check
from reconciler.core.manifest.checks.finding import At, Finding, Loc
from reconciler.core.manifest.fields import NAME_PATTERN
from reconciler.core.manifest.model import API_VERSION, MODELS, AnyManifest, Kind
from reconciler.manifest.load.documents import Document
from reconciler.manifest.load.messages import finding_of, in_words, wrong_version

_NAME = re.compile(NAME_PATTERN)
# Rules that the checks report more precisely, and also beside other mistakes of the same part.
_CHECKED_APART = frozenset(
    {
        "schedule-one-of",
        "schedule-range",
        "signature-secret",
        "signature-option",
        "secret-reference",
    }
)


@dataclass(frozen=True, slots=True)
class Read:
    """What became of a document.

    manifest  the object, or None where it has Problems
    document  its canonical values
    key       the object's name, where it can be told in spite of Problems
    """

    manifest: AnyManifest | None
    document: dict[str, Any] | None
    key: Key | None
    findings: list[Finding]


def read_object(document: Document, policy: Policy, near_misses: NearMisses | None = None) -> Read:
    """The object that a document declares, and everything wrong with it by itself."""
    near_misses = near_misses or NearMisses()
    value = document.value
    if not document.complete:
        return Read(None, None, _key_of(value), [])
    if not isinstance(value, dict):
        message = (
            f"expected a mapping with apiVersion, kind, metadata and spec, found {in_words(value)}"
        )
        return Read(
            None, None, None, _unreported_only(document, [Finding((), message, Code.FIELD_TYPE)])
        )
    model = MODELS.get(kind) if isinstance(kind := value.get("kind"), str) else None
    if model is None:
        return Read(None, None, None, _unreported_only(document, _wrong_head(value, near_misses)))
    try:
        manifest = model.model_validate(value, by_alias=True, by_name=False)
    except ValidationError as error:
        details = error.errors(include_url=False)
        findings = [
            finding_of(model, d, near_misses)
            for d in details
            if d["type"] not in _CHECKED_APART and not _counts_the_broken(d)
        ]
        findings += _unreported(check(value, policy), findings)
        return Read(None, None, _key_of(value), _unreported_only(document, findings))
    canonical = manifest.document()
    findings = _unreported_only(document, check(canonical, policy))
    return Read(manifest, canonical, manifest.key, findings)


def _counts_the_broken(details: ErrorDetails) -> bool:
    """Whether a list is only too short without its entries that are wrong, which are reported."""
    shortest = details.get("ctx", {}).get("min_length", 0)
    return details["type"] == "too_short" and len(details["input"]) >= shortest


def _wrong_head(value: dict[str, Any], near_misses: NearMisses) -> list[Finding]:
    findings = []
    if "apiVersion" not in value:
        message = f"'apiVersion' is missing, it is required; write apiVersion: {API_VERSION}"
        findings.append(Finding(("apiVersion",), message, Code.FIELD_MISSING, At.PARENT))
    elif value["apiVersion"] != API_VERSION:
        findings.append(wrong_version(value["apiVersion"]))
    kinds = [kind.value for kind in (Kind.AUTOPILOT, Kind.AGENT, Kind.SQUAD)]
    if "kind" not in value:
        message = f"'kind' is missing, it is required; write {listed(kinds)}"
        findings.append(Finding(("kind",), message, Code.FIELD_MISSING, At.PARENT))
    else:
        kind = value["kind"]
        allowed = f"; allowed: {listed(kinds)}"
        hint = (
            near_misses.did_you_mean(kind, vocabulary(tuple(kinds)))
            if isinstance(kind, str)
            else ""
        )
        message = f"unknown kind {_quoted(kind)}{hint or allowed}"
        findings.append(Finding(("kind",), message, Code.KIND_UNKNOWN))
    return findings


def _quoted(value: Any) -> str:
    return shown(value) if isinstance(value, str) else in_words(value)


def _key_of(value: Any) -> Key | None:
    """The name of a document that has Problems, so that nobody who refers to it is blamed."""
    if not isinstance(value, dict) or not isinstance(metadata := value.get("metadata"), dict):
        return None
    parts = value.get("kind"), metadata.get("workspace", "default"), metadata.get("name")
    match parts:
        case (str(kind), str(workspace), str(name)) if kind in MODELS and _NAME.match(name):
            return Key(kind, workspace, name)
    return None


def _unreported(checked: list[Finding], reported: list[Finding]) -> list[Finding]:
    """What the checks found, without what follows from what the models have refused."""
    refused = {finding.loc for finding in reported if finding.at is At.VALUE}
    # Where a field's name is wrong, a field that seems to be missing is that one.
    misspelt = {finding.loc[:-1] for finding in reported if finding.code == Code.FIELD_UNKNOWN}
    return [
        finding
        for finding in checked
        if not _is_below(finding.loc, refused)
        and not (finding.code in _CHECKED_APART and misspelt & {finding.loc, finding.loc[:-1]})
    ]


def _unreported_only(document: Document, findings: list[Finding]) -> list[Finding]:
    if not document.spoiled:
        return findings
    spoiled = frozenset(document.spoiled)
    return [finding for finding in findings if not _is_below(finding.loc, spoiled)]


def _is_below(loc: Loc, places: set[Loc] | frozenset[Loc]) -> bool:
    return any(loc[:end] in places for end in range(len(loc) + 1))
