"""What is known of files without reading them again, by what git calls their content."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from reconciler.manifest.files import File, Identity, is_json_schema


@dataclass(frozen=True, slots=True)
class Facts:
    """What a load has to know of a file that it does not parse.

    content    the digest of its bytes
    texts      the digest of the files that it names, empty where there are none
    is_schema  whether it is a JSON Schema, and no manifest
    """

    content: bytes
    texts: bytes
    is_schema: bool

    @classmethod
    def of(cls, path: str, data: bytes, texts: bytes) -> Self:
        """The facts of the bytes of a file."""
        return cls(hashlib.sha256(data).digest(), texts, is_json_schema(path, data))


@dataclass(slots=True)
class KnownFiles:
    """The facts of the files of a source as it was when it was last read to its end.

    Nothing older is kept, so that it is bounded by the source itself. The files of a folder have no
    identity and are read each time.
    """

    _before: dict[bytes, tuple[Mapping[str, bytes], Facts]] = field(default_factory=dict)
    _now: dict[bytes, tuple[Mapping[str, bytes], Facts]] = field(default_factory=dict)

    def begin(self) -> None:
        """Begin a reading; what one before it left unfinished is forgotten."""
        self._now = {}

    def end(self) -> None:
        """Keep what this reading met, and nothing else."""
        self._before, self._now = self._now, {}

    def of(self, file: File) -> Facts | None:
        """The facts of a file, if it and all that it names are as they were."""
        if (identity := file.identity) is None:
            return None
        name = _name(file.path, identity)
        known = self._before.get(name)
        if known is None or any(identity.beside(path) != own for path, own in known[0].items()):
            return None
        self._now[name] = known
        return known[1]

    def note(self, file: File, named: Iterable[str], facts: Facts) -> None:
        """Note the facts of a file that names these; not where one of them has no identity."""
        if (identity := file.identity) is None:
            return
        beside = _NONE
        for path in named:
            if (own := identity.beside(path)) is None:
                return
            beside = {**beside, path: own}
        self._now[_name(file.path, identity)] = (beside, facts)


_NONE: Mapping[str, bytes] = {}


def _name(path: str, identity: Identity) -> bytes:
    """The same bytes may be a schema in one file and none in another: its name has a say."""
    return identity.own + b"j" if path.endswith(".json") else identity.own
