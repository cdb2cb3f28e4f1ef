"""What a source was when it was last read spares reading it: with the same result, always."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import hypothesis.strategies as st
from hypothesis import given

from reconciler.core.base.errors import InvalidManifests, Problem
from reconciler.core.manifest.state import Desired
from reconciler.manifest.files import Bundle, File, Identity, joined
from reconciler.manifest.known import KnownFiles
from reconciler.manifest.load.load import load, reuse_of
from tests.support.builders import an_agent, an_autopilot, text_of

SCHEMA = b'{"$schema": "https://json-schema.org/draft/2020-12/schema"}'


@dataclass(frozen=True)
class Addressed(Bundle):
    """Files in memory whose contents have names, as those of a commit do. It notes what is read."""

    reads: list[str] = field(default_factory=list)

    def files(self) -> Iterator[File]:
        """Every manifest, read when it is asked for."""
        for file in super().files():
            assert isinstance(file.content, bytes)
            identity = Identity(self._own(file.path), partial(self._own_beside, file.path))
            yield File(file.path, partial(self._read, file.path), identity)

    def beside(self, path: str, file: str) -> bytes | Problem:
        """A named file."""
        self.reads.append(joined(path, file))
        return super().beside(path, file)

    def _read(self, path: str) -> bytes:
        self.reads.append(path)
        return self.contents[path]

    def _own(self, path: str) -> bytes:
        return hashlib.sha256(self.contents[path]).digest()

    def _own_beside(self, path: str, file: str) -> bytes | None:
        named = joined(path, file)
        return self._own(named) if named in self.contents else None


def autopilot(name: str, prompt: str | None = None) -> bytes:
    """A manifest, whose description is in a file if that is given."""
    more: dict[str, Any] = {"descriptionFrom": {"file": prompt}} if prompt else {}
    return text_of(an_autopilot(name, **more)).encode()


CONTENTS: Mapping[str, bytes] = {
    "agent.yaml": text_of(an_agent()).encode(),
    "a.yaml": autopilot("a", "p.md"),
    "b/b.yaml": autopilot("b", "p.md"),
    "c.json": SCHEMA,
    "d.yaml": SCHEMA,
    "p.md": b"Do this.",
    "b/p.md": b"Do that.",
}


def loaded(files: Mapping[str, bytes], before: Desired | None, known: KnownFiles) -> Desired:
    """What a load gives that takes over what was applied before."""
    reuse = reuse_of({f.path: f for f in before.files}, before.objects) if before else None
    return load(Addressed(files), source_id="x", reuse=reuse, known=known)


PATHS = ("a.yaml", "e.yaml", "b/b.yaml", "b/p.md", "p.md", "c.json", "kustomization.yaml")
DATA = (*CONTENTS.values(), autopilot("e"), b"", b"Do more.", None)
EDITS = st.dictionaries(st.sampled_from(PATHS), st.sampled_from(DATA), max_size=2)
"""Files that are written or, where it says None, removed."""


@given(st.lists(EDITS, max_size=4))
def test_a_load_that_knows_the_one_before_gives_the_same(
    edits: list[dict[str, bytes | None]],
) -> None:
    known, files, before = KnownFiles(), CONTENTS, None
    for edit in edits:
        edited = {**files, **edit}
        files = {path: data for path, data in edited.items() if data is not None}
        outcomes: list[object] = []
        for memory in (known, KnownFiles()):
            try:
                outcomes.append(loaded(files, before, memory))
            except InvalidManifests as error:
                outcomes.append(error.problems)
        assert outcomes[0] == outcomes[1]
        before = outcomes[0] if isinstance(outcomes[0], Desired) else before


def test_only_what_changed_is_read_the_files_that_manifests_name_included() -> None:
    known = KnownFiles()
    files = {path: data for path, data in CONTENTS.items() if path != "d.yaml"}
    before = loaded(files, None, known)

    def reads(changed: Mapping[str, bytes]) -> list[str]:
        source = Addressed({**files, **changed})
        reuse = reuse_of({f.path: f for f in before.files}, before.objects)
        load(source, source_id="x", reuse=reuse, known=known)
        return source.reads

    commented = CONTENTS["agent.yaml"] + b"# edited\n"
    assert reads({}) == []
    assert reads({"agent.yaml": commented}) == ["agent.yaml"]
    assert reads({"p.md": b"Do more."}) == ["a.yaml", "p.md", "agent.yaml"], "no other p.md"
    assert reads({}) == ["a.yaml", "p.md"], "what the last reading met is known, and no more"
    assert reads({}) == []
