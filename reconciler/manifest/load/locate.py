"""Where a field stands in a file; worked out only for files that have a Problem."""

from reconciler.core.base.errors import Problem
from reconciler.core.manifest.checks.finding import At, Finding
from reconciler.manifest.load.checkpoint import Checkpoint, proceed
from reconciler.manifest.load.documents import Document
from reconciler.manifest.load.loc import Loc, dotted
from reconciler.manifest.load.nodes import Node, ScalarNode, find, roots


class Locator:
    """The places of one text (without byte order mark)."""

    def __init__(self, path: str, text: str, checkpoint: Checkpoint = proceed) -> None:
        self._checkpoint = checkpoint
        self._path = path
        self._text = text
        self._roots: dict[int, list[Node]] = {}

    def problem(self, document: Document, finding: Finding) -> Problem:
        """The finding with its line and column."""
        line, column = self.place(document, finding.loc, finding.at)
        return Problem(self._path, line, column, dotted(finding.loc), finding.message, finding.code)

    def place(self, document: Document, loc: Loc, at: At = At.VALUE) -> tuple[int, int]:
        """Line and column, from 1, of the value or key at `loc`.

        What is not there stands where its nearest parent does: at the parent's key.
        """
        root = self._root(document)
        if root is None:
            return document.line, document.column
        key, node, depth = find(root, loc[:-1] if at is At.PARENT else loc)
        by_key = at is not At.VALUE or depth < len(loc)
        mark = key.start if key is not None and (by_key or _is_empty(node)) else node.start
        return mark.line + document.first_line, mark.column + 1

    def _root(self, document: Document) -> Node | None:
        part = self._roots.get(document.first_line)
        if part is None:
            part = roots(_from_line(self._text, document.first_line), self._checkpoint)
            self._roots[document.first_line] = part
        return part[document.index] if document.index < len(part) else None


def _is_empty(node: Node) -> bool:
    return isinstance(node, ScalarNode) and not node.text and not node.style


def _from_line(text: str, line: int) -> str:
    # The exotic breaks of `splitlines` cannot be here: text.py refuses them.
    return text if line == 1 else "".join(text.splitlines(keepends=True)[line - 1 :])
