"""The texts of named files put into the documents that name them, or what is wrong with them."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from reconciler.core.base.codes import Code
from reconciler.core.base.errors import Problem
from reconciler.core.manifest.checks.finding import At, Finding
from reconciler.core.manifest.state import Document
from reconciler.manifest.referenced.fields import Reference, is_given_twice, references_in
from reconciler.manifest.text import decode

Beside = Callable[[str, str], bytes | Problem]
"""Reads the file that a manifest names: the manifest's path, and the file's as seen from it."""


@dataclass(frozen=True, slots=True)
class Texts:
    """The files that one manifest file names, read once.

    `folder` is the folder of that file with a slash at its end, or empty.
    """

    folder: str
    contents: Mapping[str, bytes | Problem]

    @classmethod
    def read(cls, beside: Beside, path: str, files: Sequence[str]) -> Self:
        """Read the files that the manifest at `path` names."""
        folder, slash, _ = path.rpartition("/")
        return cls(folder + slash, {file: beside(path, file) for file in files})

    def digest(self) -> bytes:
        """Equal exactly for equal texts under equal names; empty where there are none."""
        if not self.contents:
            return b""
        digest = hashlib.sha256()
        for file, data in self.contents.items():
            content = data if isinstance(data, bytes) else f"{data}".encode()
            digest.update(file.encode() + b"\0" + hashlib.sha256(content).digest())
        return digest.digest()


def resolve(
    raw: Any, canonical: Document | None, texts: Texts, wrong: Sequence[Finding]
) -> Iterator[Finding | Problem]:
    """Put the texts that `raw` names into `canonical`, which then holds no names any more.

    Yield what is wrong: Findings in the document, Problems of the named files themselves. `wrong`
    is what is known already: a reference that is wrong itself is not followed.
    """
    known = {finding.loc for finding in wrong}
    for reference in references_in(raw):
        named = reference.field
        if is_given_twice(raw, named):
            message = f"{named.into} and {named.name} are both given; keep one of them"
            yield Finding(reference.loc[:2], message, Code.FIELD_CONFLICT, At.KEY)
        elif not any(reference.loc[:end] in known for end in range(1, 4)):
            text = _text(reference, texts)
            if isinstance(text, str):
                _put(canonical, reference, text)
            else:
                yield text


def _put(canonical: Document | None, reference: Reference, text: str) -> None:
    if canonical is not None:
        canonical["spec"].pop(reference.field.name, None)
        canonical["spec"][reference.field.into] = text


def _text(reference: Reference, texts: Texts) -> str | Finding | Problem:
    data = texts.contents.get(reference.file)
    if data is None:  # nobody saw the name without parsing, so that a change would go unnoticed
        message = f"write {reference.field.name}: {{file: …}} plainly, without escapes or breaks"
        return Finding(reference.loc, message, Code.FILE_REFERENCE)
    if isinstance(data, Problem):
        return Finding(reference.loc, f"{reference.file}: {data.message}", Code(data.code))
    text = decode_text(data, texts.folder + reference.file)
    if isinstance(text, Problem):
        return text
    if not text.strip():
        # An editor that saves empties the file for a moment: that must not reach an agent.
        message = f"{reference.file} is empty; write into it {reference.field.holds}"
        return Finding(reference.loc, message, Code.VALUE_LENGTH)
    if len(text) > reference.field.longest:
        message = f"expected at most {reference.field.longest} characters, found {len(text)}"
        return Finding(reference.loc, f"{reference.file}: {message}", Code.VALUE_LENGTH)
    if (wrong := reference.field.problem(text)) is not None:
        return Finding(reference.loc, f"{reference.file}: {wrong}", Code.SCHEMA_INVALID)
    return text


def decode_text(data: bytes, path: str) -> str | Problem:
    """The text of a named file, its lines ended by LF as those of a block in YAML are."""
    text = decode(data, path, escape="remove it")
    return text if isinstance(text, Problem) else text.replace("\r\n", "\n").replace("\r", "\n")
