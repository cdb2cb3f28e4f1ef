"""What an object reaches: the secrets, hosts, programs and so on that its manifest names.

Runtimes are read as documents, by the names of their fields, so that a new runtime is seen too.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Any

from reconciler.core.base.identity import Key
from reconciler.core.manifest.model import Kind
from reconciler.core.manifest.reach import parse_url
from reconciler.core.manifest.state import Document, references_of

FindAgent = Callable[[Key], Document | None]
"""The document of an agent or squad, where it is known."""


@dataclass(frozen=True, slots=True)
class Reached:
    """Names, never values. Secrets are written `env NAME` or `file NAME`, hosts with scheme and
    port; `env` are the variables that the manifest sets."""

    secrets: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()
    programs: frozenset[str] = frozenset()
    permission_modes: frozenset[str] = frozenset()
    env: frozenset[str] = frozenset()
    folders: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()

    def __or__(self, other: "Reached") -> "Reached":
        return Reached(*(getattr(self, n) | getattr(other, n) for n in _NAMES))

    def __sub__(self, other: "Reached") -> "Reached":
        return Reached(*(getattr(self, n) - getattr(other, n) for n in _NAMES))


_NAMES = tuple(field.name for field in fields(Reached))


def reached_by(document: Document, find: FindAgent) -> Reached:
    """Return what an object reaches, with all that it refers to: an autopilot does so through its
    agent, or through every member of its squad."""
    reached = _named_in(document["spec"])
    for key in references_of(document):
        other = find(key)
        # An agent refers to nothing and a squad to agents only, so this ends.
        if other is not None and key.kind != Kind.AUTOPILOT:
            reached |= reached_by(other, find)
    return reached


def _named_in(spec: Document) -> Reached:
    names: dict[str, set[str]] = {name: set() for name in _NAMES}
    names["channels"] = {rule["to"] for rule in spec.get("notify", ())}
    for kind, name in _walk(spec):
        names[kind].add(name)
    return Reached(**{kind: frozenset(place) for kind, place in names.items()})


_FIELDS = {
    "program": "programs",
    "permissionMode": "permission_modes",
    "workDir": "folders",
    "cwd": "folders",
}
_NAMING = {"url", *_FIELDS}
_CHOSEN_NAMES = {"env", "headers"}
"""Maps whose keys are the manifest's own: a header may be called `url`, a variable `file`."""
_CONTENT = {"body", "handle", "descriptionFrom", "expectSchema"}
"""What names no place that a run reaches."""
_REFERENCE = {"env", "file", "notBefore", "notAfter"}


def _walk(value: Any) -> Iterator[tuple[str, str]]:
    """The kind and name of everything reached, in a spec or a part of it."""
    if isinstance(value, list):
        for item in value:
            yield from _walk(item)
    elif isinstance(value, dict) and set(value) <= _REFERENCE and (place := _secret(value)):
        yield "secrets", place
    elif isinstance(value, dict):
        for name, item in value.items():
            # Most fields are texts that name nothing; a plan of ten thousand objects has many.
            if isinstance(item, dict | list) or name in _NAMING:
                yield from _field(name, item)


def _field(name: str, item: Any) -> Iterator[tuple[str, str]]:
    if name in _CHOSEN_NAMES and isinstance(item, dict):
        if name == "env":
            yield from (("env", variable) for variable in item)
        # Value by value: the map itself could pass for a reference, and its texts are masked.
        yield from _walk(list(item.values()))
    elif name == "url" and isinstance(item, str):
        yield "hosts", _host(item)
    elif name in _FIELDS and isinstance(item, str):
        yield _FIELDS[name], item
    elif name not in _CONTENT:
        yield from _walk(item)


def _secret(value: Document) -> str | None:
    for place in ("env", "file"):
        if isinstance(value.get(place), str):
            return f"{place} {value[place]}"
    return None


def _host(url: str) -> str:
    # Without the user and the path, which may be confidential; a path may be a template.
    parts = parse_url(url.partition("{{")[0])
    if parts is None:
        return "(unreadable)"
    port = f":{parts.port}" if parts.port is not None else ""
    return f"{parts.scheme}://{parts.host}{port}"
