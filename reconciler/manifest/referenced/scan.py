"""Finds the files that a manifest names without parsing it: most files name none.

A file is known by the digest of its bytes and of the texts that it names, before anything of it is
parsed. What this finds too much only reads a file too often; what it cannot tell is parsed.
"""

import re
from collections.abc import Iterator

from reconciler.manifest.referenced.fields import FIELDS

_MARKER = re.compile("|".join(field.name for field in FIELDS).encode())
_NAMED = re.compile(
    rb"(?:%s)[\"']?[ ]*:[ ]*(?:\{[ ]*|(?:\r?\n)[ ]+)[\"']?file[\"']?[ ]*:[ ]*"
    rb"(?:\"([^\"\\\r\n]*)\"|'([^'\r\n]*)'|([A-Za-z0-9_][A-Za-z0-9_./-]*(?: [A-Za-z0-9_./-]+)*))"
    rb"[ ]*(?:[,}#\r\n]|\Z)" % _MARKER.pattern
)


def scan(data: bytes) -> tuple[str, ...] | None:
    """Return the files that a manifest's bytes name; None where only parsing would tell."""
    markers = sum(1 for _ in _MARKER.finditer(data))
    if not markers:
        return ()
    named = tuple(_names(data))
    return tuple(dict.fromkeys(named)) if len(named) == markers else None


def _names(data: bytes) -> Iterator[str]:
    for match in _NAMED.finditer(data):
        yield next(group for group in match.groups() if group is not None).decode("utf-8", "ignore")
