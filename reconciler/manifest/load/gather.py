"""The files of a source, one by one, to objects and Problems; what did not change is not parsed."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from reconciler.core.base.codes import Code
from reconciler.core.base.errors import Position, Problem
from reconciler.core.base.identity import Key
from reconciler.core.base.near import NearMisses
from reconciler.core.manifest.checks import Policy
from reconciler.core.manifest.checks.finding import Finding
from reconciler.core.manifest.checks.raw import Raw
from reconciler.core.manifest.model import MODEL_VERSION
from reconciler.core.manifest.state import Declared, FileDigest, Origin, digest_of
from reconciler.core.manifest.state import Document as Canonical
from reconciler.manifest.files import File, Source, is_json_schema, is_kustomization
from reconciler.manifest.known import Facts, KnownFiles
from reconciler.manifest.load.checkpoint import Checkpoint, checked_often, proceed
from reconciler.manifest.load.locate import Locator
from reconciler.manifest.load.objects import read_object
from reconciler.manifest.load.parse import parse
from reconciler.manifest.load.scrape import possible_names
from reconciler.manifest.referenced.fields import references_in
from reconciler.manifest.referenced.resolve import Texts, resolve
from reconciler.manifest.referenced.scan import scan

Reuse = Callable[[str, str], Sequence[Declared] | None]
"""`reuse(path, digest)`: the objects of a file that was applied with this digest, or None."""


@dataclass(slots=True)
class LoadedObject:
    """A valid object and where it stands; `declared` if it is taken over as it was."""

    key: Key
    id: str
    document: Canonical
    at: Position
    declared: Declared | None = None

    def declare(self, source_id: str, revision: str) -> Declared:
        """The object with its origin."""
        if self.declared is not None:
            return self.declared
        origin = Origin(source_id, self.at.path, self.at.line, self.at.column, revision)
        return Declared(self.key, self.id, self.document, digest_of(self.document), origin)


@dataclass(slots=True)
class Gathered:
    """All files of a source, read.

    objects   the valid ones
    taken     where each name was declared first, also by an object that has Problems
    broken    what documents with Problems say, and where
    kustomizations  files that kustomize reads, and we do not
    unread    names that stand in parts which are no YAML
    contents  the digest of all that was read
    wrong_texts  what is wrong with files that manifests name; several may name the same
    """

    objects: dict[Key, LoadedObject] = field(default_factory=dict)
    taken: dict[Key, Position] = field(default_factory=dict)
    broken: list[tuple[Position, Raw]] = field(default_factory=list)
    kustomizations: list[str] = field(default_factory=list)
    unread: set[str] = field(default_factory=set)
    files: list[FileDigest] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    contents: str = ""
    wrong_texts: set[Problem] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Reading:
    """What one load is held to: the operator's policy, the near misses left, when to stop.

    `known` are the files that need not be read.
    """

    policy: Policy
    near_misses: NearMisses = field(default_factory=NearMisses)
    checkpoint: Checkpoint = proceed
    known: KnownFiles = field(default_factory=KnownFiles)


def gather(source: Source, reading: Reading, reuse: Reuse) -> Gathered:
    """Read the files of the source. Raises nothing but what the checkpoint and the source raise."""
    gathered = Gathered()
    salt = _salt(reading.policy)
    contents = hashlib.sha256()
    reading.known.begin()
    for file in source.files():
        reading.checkpoint()
        opened = _Opened(source, file)
        is_kustomizations = is_kustomization(file.path)
        facts = None if is_kustomizations else reading.known.of(file)
        if facts is None:
            if isinstance(opened.content, Problem):
                gathered.problems.append(opened.content)
                continue
            if is_kustomizations:
                gathered.kustomizations.append(file.path)
                continue
            facts = Facts.of(file.path, opened.data, opened.texts.digest())
            reading.known.note(file, opened.texts.contents, facts)
        if facts.is_schema:
            continue
        path = file.path.encode("utf-8", "backslashreplace")
        contents.update(path + b"\0" + facts.content + facts.texts)
        digest = hashlib.sha256(salt + facts.content + facts.texts).hexdigest()
        known = reuse(file.path, digest)
        if known is None or any(declared.key in gathered.taken for declared in known):
            _read_file(file.path, opened.data, digest, opened.texts, reading, gathered)
        else:
            _take_over(file.path, digest, known, gathered)
    reading.known.end()
    gathered.contents = contents.hexdigest()
    return gathered


@dataclass(frozen=True)
class _Opened:
    """A file of a source that is read, and scanned for names, once and only where it has to be."""

    source: Source
    file: File

    @cached_property
    def content(self) -> bytes | Problem:
        return self.file.content

    @property
    def data(self) -> bytes:
        """The bytes of a file of which is known that it can be read."""
        return self.content if isinstance(self.content, bytes) else b""

    @cached_property
    def texts(self) -> Texts:
        path, data = self.file.path, self.data
        named = () if is_json_schema(path, data) else named_files(data, path)
        return Texts.read(self.source.beside, path, named)


def _salt(policy: Policy) -> bytes:
    return f"{MODEL_VERSION}:{policy.fingerprint}:".encode()


def _take_over(path: str, digest: str, known: Sequence[Declared], gathered: Gathered) -> None:
    for declared in known:
        at = Position(path, declared.origin.line, declared.origin.column)
        loaded = LoadedObject(declared.key, declared.id, declared.document, at, declared)
        gathered.objects[declared.key] = loaded
        gathered.taken[declared.key] = at
    gathered.files.append(FileDigest(path, digest, tuple(declared.key for declared in known)))


def named_files(data: bytes, path: str) -> Sequence[str]:
    """Return the files that the manifests of a file name, such as that of a description."""
    if (named := scan(data)) is not None:
        return named
    documents = parse(data, path).documents
    return list(dict.fromkeys(r.file for each in documents for r in references_in(each.value)))


def _read_file(
    path: str, data: bytes, digest: str, texts: Texts, reading: Reading, gathered: Gathered
) -> None:
    parsed = parse(data, path, reading.checkpoint)
    gathered.problems += parsed.problems
    if parsed.text is None or not all(document.complete for document in parsed.documents):
        gathered.unread |= possible_names(data)
    locator = Locator(path, parsed.text or "", reading.checkpoint)
    keys = []
    for document in checked_often(parsed.documents, reading.checkpoint):
        read = read_object(document, reading.policy, reading.near_misses)
        if read.key is not None:
            keys.append(read.key)
        at = Position(path, document.line, document.column)
        findings = [*read.findings, *_name_taken(read.key, at, gathered)]
        for wrong in resolve(document.value, read.document, texts, read.findings):
            if isinstance(wrong, Finding):
                findings.append(wrong)
            elif wrong not in gathered.wrong_texts:
                gathered.wrong_texts.add(wrong)
                gathered.problems.append(wrong)
        if read.manifest is not None and read.document is not None and not findings:
            key = read.manifest.key
            gathered.objects[key] = LoadedObject(key, read.manifest.id, read.document, at)
        elif isinstance(document.value, dict) and document.complete:
            gathered.broken.append((at, document.value))
        for finding in checked_often(findings, reading.checkpoint):
            gathered.problems.append(locator.problem(document, finding))
    gathered.files.append(FileDigest(path, digest, tuple(keys)))


def _name_taken(key: Key | None, at: Position, gathered: Gathered) -> list[Finding]:
    """Note the name, or say who has it already."""
    if key is None:
        return []
    first = gathered.taken.setdefault(key, at)
    if first is at:
        return []
    message = f"{key} is declared twice, first at {first}"
    return [Finding(("metadata", "name"), message, Code.OBJECT_DUPLICATE)]
