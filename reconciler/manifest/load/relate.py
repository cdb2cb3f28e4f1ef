"""What is wrong between the objects of a source, with its places in the files."""

from collections.abc import Callable, Iterator
from itertools import chain

from reconciler.core.base.errors import Position, Problem
from reconciler.core.base.identity import Key
from reconciler.core.manifest.checks.finding import Finding
from reconciler.core.manifest.references import Scope, reference_findings
from reconciler.manifest.files import Source
from reconciler.manifest.load.documents import Document
from reconciler.manifest.load.gather import Gathered
from reconciler.manifest.load.loc import dotted
from reconciler.manifest.load.locate import Locator
from reconciler.manifest.load.parse import parse


def relate(
    gathered: Gathered,
    source: Source,
    *,
    external: Callable[[Key], bool],
    allow_external: bool,
) -> Iterator[Problem]:
    """The Problems of references and former names."""
    scope = Scope(
        documents={key: loaded.document for key, loaded in gathered.objects.items()},
        broken=gathered.taken.keys() - gathered.objects.keys(),
        unread=gathered.unread,
        external=external,
        allow_external=allow_external,
    )
    places = _Places(source)
    subjects = chain(((o.at, o.document) for o in gathered.objects.values()), gathered.broken)
    for at, finding in reference_findings(scope, subjects):
        yield places.problem(at, finding)


class _Places:
    """Reads a file once more to find where a field of it stands."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._read: dict[str, tuple[Locator, tuple[Document, ...]]] = {}

    def problem(self, at: Position, finding: Finding) -> Problem:
        """The finding in the document that starts at `at`."""
        locator, documents = self._file(at.path)
        for document in documents:
            if (document.line, document.column) == (at.line, at.column):
                return locator.problem(document, finding)
        # The file has changed in this very moment: the start of the document has to do.
        field = dotted(finding.loc)
        return Problem(at.path, at.line, at.column, field, finding.message, finding.code)

    def _file(self, path: str) -> tuple[Locator, tuple[Document, ...]]:
        if path not in self._read:
            parsed = parse(self._source.again(path) or b"", path)
            self._read[path] = Locator(path, parsed.text or ""), parsed.documents
        return self._read[path]
