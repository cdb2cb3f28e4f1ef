"""What is wrong between the objects of a source, with its places in the files."""

from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import chain

from reconciler.core.base.codes import Code
from reconciler.core.base.errors import Position, Problem
from reconciler.core.base.identity import Key
from reconciler.core.base.near import NearMisses
from reconciler.core.manifest.checks.budget import budget_findings
from reconciler.core.manifest.checks.finding import Finding
from reconciler.core.manifest.checks.policy import Policy
from reconciler.core.manifest.checks.raw import Raw
from reconciler.core.manifest.checks.unattended import unattended_findings
from reconciler.core.manifest.checks.warnings import warning_findings
from reconciler.core.manifest.model import Kind
from reconciler.core.manifest.references import Scope, reference_findings
from reconciler.manifest.files import Source, problem
from reconciler.manifest.load.checkpoint import Checkpoint, checked_often, proceed
from reconciler.manifest.load.documents import Document
from reconciler.manifest.load.gather import Gathered
from reconciler.manifest.load.loc import dotted
from reconciler.manifest.load.locate import Locator
from reconciler.manifest.load.parse import parse


def relate(
    gathered: Gathered,
    *,
    external: Callable[[Key], bool],
    allow_external: bool,
    near_misses: NearMisses,
    places: "Places",
    checkpoint: Checkpoint = proceed,
) -> Iterator[Problem]:
    """Yield the Problems of references and former names."""
    scope = Scope(
        documents={key: loaded.document for key, loaded in gathered.objects.items()},
        broken=gathered.taken.keys() - gathered.objects.keys(),
        unread=gathered.unread,
        external=external,
        allow_external=allow_external,
        near_misses=near_misses,
    )
    subjects = chain(((o.at, o.document) for o in gathered.objects.values()), gathered.broken)
    for at, finding in reference_findings(scope, checked_often(subjects, checkpoint)):
        yield places.problem(at, finding)


def warn(
    gathered: Gathered,
    now: datetime,
    *,
    policy: Policy,
    places: "Places",
    checkpoint: Checkpoint = proceed,
) -> Iterator[Problem]:
    """Yield what is likely wrong with the valid objects as of `now`, and what is not read."""

    for path in gathered.kustomizations:
        yield problem(path, _KUSTOMIZATION, Code.FILE_KUSTOMIZATION)

    def find(key: Key) -> Raw | None:
        other = gathered.objects.get(key)
        return other.document if other is not None else None

    for loaded in checked_often(gathered.objects.values(), checkpoint):
        for finding in warning_findings(loaded.document, now, policy):
            yield places.problem(loaded.at, finding)
        for finding in budget_findings(loaded.document, find):
            yield places.problem(loaded.at, finding)
        if loaded.key.kind == Kind.AUTOPILOT:
            for finding in unattended_findings(loaded.document, find):
                yield places.problem(loaded.at, finding)


_KUSTOMIZATION = (
    "this file is read by kustomize and not by the reconciler, which takes the files beside it as "
    "they are; to apply what it builds: kubectl kustomize DIR | reconciler apply --source NAME -"
)


class Places:
    """Reads a file once more to find where a field of it stands."""

    def __init__(self, source: Source, checkpoint: Checkpoint) -> None:
        self._source = source
        self._checkpoint = checkpoint
        self._read: dict[str, tuple[Locator, dict[tuple[int, int], Document]]] = {}

    def problem(self, at: Position, finding: Finding) -> Problem:
        """The finding in the document that starts at `at`."""
        locator, documents = self._file(at.path)
        if document := documents.get((at.line, at.column)):
            return locator.problem(document, finding)
        # The file has changed in this very moment: the start of the document has to do.
        field = dotted(finding.loc)
        return Problem(at.path, at.line, at.column, field, finding.message, finding.code)

    def _file(self, path: str) -> tuple[Locator, dict[tuple[int, int], Document]]:
        if path not in self._read:
            parsed = parse(self._source.again(path) or b"", path, self._checkpoint)
            by_start = {(each.line, each.column): each for each in parsed.documents}
            self._read[path] = Locator(path, parsed.text or "", self._checkpoint), by_start
        return self._read[path]
