"""The files of a source, one by one, to objects and Problems; what did not change is not parsed."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

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
from reconciler.manifest.files import Source, is_json_schema, is_kustomization
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
    """What one load is held to: the operator's policy, the near misses left, when to stop."""

    policy: Policy
    near_misses: NearMisses = field(default_factory=NearMisses)
    checkpoint: Checkpoint = proceed


def gather(source: Source, reading: Reading, reuse: Reuse) -> Gathered:
    """Read every file of the source. Raises nothing but what the checkpoint raises."""
    gathered = Gathered()
    salt = _salt(reading.policy)
    contents = hashlib.sha256()
    for file in source.files():
        reading.checkpoint()
        if isinstance(file.content, Problem):
            gathered.problems.append(file.content)
            continue
        if is_kustomization(file.path):
            gathered.kustomizations.append(file.path)
            continue
        if is_json_schema(file.path, file.content):
            continue
        content = hashlib.sha256(file.content).digest()
        contents.update(file.path.encode("utf-8", "backslashreplace") + b"\0" + content)
        texts = Texts.read(source.beside, file.path, named_files(file.content, file.path))
        named = texts.digest()
        contents.update(named)
        digest = hashlib.sha256(salt + content + named).hexdigest()
        known = reuse(file.path, digest)
        if known is None or any(declared.key in gathered.taken for declared in known):
            _read_file(file.path, file.content, digest, texts, reading, gathered)
        else:
            _take_over(file.path, digest, known, gathered)
    gathered.contents = contents.hexdigest()
    return gathered


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
