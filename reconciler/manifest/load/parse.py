"""Text to documents: YAML 1.2 core schema, strict, with every Problem at once.

What is refused stands in docs/manifest.md#yaml. No text makes `parse` raise. After a mistake that
ends the reading of a document it goes on at the next line that starts with `---`, which in YAML is
always the start of a document.
"""

import re
from dataclasses import dataclass

from ruamel.yaml.error import YAMLError

from reconciler.core.base.codes import Code
from reconciler.core.base.errors import Position, Problem, Problems
from reconciler.manifest.load.builder import Builder, TooDeep
from reconciler.manifest.load.checkpoint import Checkpoint, proceed
from reconciler.manifest.load.documents import Document
from reconciler.manifest.load.events import Events, can_be_helped
from reconciler.manifest.load.syntax import explained
from reconciler.manifest.text import decode, line_and_column

_DOCUMENT_START = re.compile(r"^---(?=[ \t\r\n]|\Z)", re.MULTILINE)
_MOST_RESTARTS = 50


@dataclass(frozen=True, slots=True)
class Parsed:
    """The documents of one text, and what is wrong with it as YAML.

    `text` is without byte order mark; None where the bytes are no text at all.
    """

    text: str | None
    documents: tuple[Document, ...]
    problems: tuple[Problem, ...]


def parse(data: bytes, path: str, checkpoint: Checkpoint = proceed) -> Parsed:
    """Return the documents of a file's bytes; the size is the caller's to bound.

    Raises nothing but what `checkpoint` raises.
    """
    text = decode(data, path)
    if isinstance(text, Problem):
        return Parsed(None, (), (text,))
    problems = Problems()
    documents: list[Document] = []
    remaining, line = text, 1
    for _ in range(_MOST_RESTARTS):
        failed_in = _read(remaining, path, line, problems, documents, checkpoint)
        following = failed_in is not None and _DOCUMENT_START.search(remaining, failed_in + 1)
        if not following:
            break
        line += line_and_column(remaining, following.start())[0] - 1
        remaining = remaining[following.start() :]
    return Parsed(text, tuple(documents), tuple(problems.collected))


def _read(
    text: str,
    path: str,
    first_line: int,
    problems: Problems,
    documents: list[Document],
    checkpoint: Checkpoint,
) -> int | None:
    """Add the documents up to the first mistake of syntax, the broken one included.

    Gives the offset at which the broken document started, or None if there was no mistake.
    """
    already_noted = len(problems.collected)
    for disguised in (False, True):
        builder = Builder(Events(text, disguised=disguised), path, first_line, problems)
        try:
            builder.run(checkpoint)
        except TooDeep:
            pass
        except YAMLError as error:
            if not disguised and can_be_helped(error, text):
                del problems.collected[already_noted:]
                continue
            line, column, message = explained(error, text)
            if builder.braces_line == line - 1:
                break  # what follows `{{ date }}` on its line is no second mistake
            at = Position(path, line + first_line - 1, column)
            problems.add(at, "", message, Code.YAML_SYNTAX)
        else:
            documents += builder.documents
            return None
        break
    documents += builder.documents
    if broken := builder.broken():
        documents.append(broken)
    return builder.document_start
