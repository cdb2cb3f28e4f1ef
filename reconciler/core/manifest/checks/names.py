"""Names within one object: what it was called before, and who its members are."""

from collections.abc import Iterator

from reconciler.core.base.codes import Code
from reconciler.core.manifest.checks.finding import Finding, Loc
from reconciler.core.manifest.checks.raw import Raw, mapping, texts


def former_name_findings(document: Raw) -> Iterator[Finding]:
    """Former names are other names than today's, each once."""
    metadata = mapping(document.get("metadata"))
    at: Loc = ("metadata", "formerNames")
    seen: set[str] = set()
    for index, former in texts(metadata.get("formerNames")):
        if former == metadata.get("name"):
            message = f"'{former}' is the object's own name; list only earlier ones"
            yield Finding((*at, index), message, Code.FORMER_NAME_INVALID)
        elif former in seen:
            message = f"'{former}' is listed twice"
            yield Finding((*at, index), message, Code.FORMER_NAME_INVALID)
        seen.add(former)


def member_findings(document: Raw) -> Iterator[Finding]:
    """A squad lists each member once."""
    seen: set[str] = set()
    for index, member in texts(mapping(document.get("spec")).get("members")):
        if member in seen:
            message = f"'{member}' is listed twice"
            yield Finding(("spec", "members", index), message, Code.MEMBER_DUPLICATE)
        seen.add(member)
