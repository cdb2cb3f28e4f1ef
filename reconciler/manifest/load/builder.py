"""YAML events to values in one pass; what docs/manifest.md#yaml refuses is noted."""

from collections.abc import Callable
from itertools import islice
from typing import Any

from _ruamel_yaml import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)

from reconciler.core.base.codes import Code
from reconciler.core.base.errors import Position, Problems
from reconciler.core.base.near import shown
from reconciler.manifest.load.checkpoint import OFTEN, Checkpoint, proceed
from reconciler.manifest.load.documents import Document
from reconciler.manifest.load.events import Event, Events, Mark
from reconciler.manifest.load.loc import Loc, dotted
from reconciler.manifest.load.scalars import NumberTooLong, Scalar, resolve

DEEPEST = 100
"""Nesting levels (docs/manifest.md#yaml)."""


_OR_QUOTE = "write the value where it is used, or put the text in quotes"


class TooDeep(Exception):
    """The text nests deeper than `DEEPEST`; noted as a Problem; reading ends there."""


class _Skipped(str):
    """A key whose value is read and dropped: a duplicate, or a key that is no text."""

    __slots__ = ()
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


class _KeyWanted:
    """In a mapping, before a key."""


_WANTED = _KeyWanted()
_Key = str | _KeyWanted | None
_Container = dict[str, Any] | list[Any] | None


class Builder:
    """Reader of the events of one text: collects its documents and what is wrong with them."""

    def __init__(self, events: Events, path: str, first_line: int, problems: Problems) -> None:
        self.documents: list[Document] = []
        self._events = events
        self._as_written = not events.disguised
        self._path = path
        self._first_line = first_line
        self._problems = problems
        self._index = -1
        self.document_start = 0
        self._reset()

    def _reset(self) -> None:
        self._root: Any = None
        self._start: Mark | None = None
        # Of each collection around the current one: it, the key of what is inside, the key after.
        self._stack: list[tuple[_Container, _Key, _Key]] = []
        self._container: _Container = None
        self._key: _Key = None
        self._spoiled: list[Loc] = []
        self._opened = -2
        self.braces_line: int | None = None
        self._skipping = False
        self._present = False

    def run(self, checkpoint: Checkpoint = proceed) -> None:
        """Read all documents. Raises YAMLError and TooDeep; `broken` then holds the last one."""
        handlers, events = _HANDLERS, iter(self._events)
        event: Event | None = None
        while True:
            checkpoint()
            before = event
            for event in islice(events, OFTEN):
                handlers[type(event)](self, event)
            if event is before:
                return

    def broken(self) -> Document | None:
        """The document that was being read when the text turned out to be no YAML."""
        return self._finished(complete=False) if self._start is not None else None

    def scalar(self, event: Event) -> None:
        """Take a key, an item or a value."""
        text = event.value if self._as_written else self._events.restore(event.value)
        if event.anchor is not None or event.ctag is not None:
            self._refuse_properties(event)
            if not text and not event.style and self._key is not _WANTED:
                self._spoiled.append(self._loc())  # `title: &co`: the text was taken for a name
        try:
            value = text if event.style else resolve(text)
        except NumberTooLong:
            value = self._refuse_number(event)
        container = self._container
        if self._key is _WANTED:
            if type(value) is str and text != "<<" and value not in container:  # type: ignore[operator]
                self._key = value
            else:
                self._refuse_key(text, value, event)
        elif type(container) is dict:
            container[self._key] = value  # type: ignore[index]  # a key was taken before
            self._key = _WANTED
        else:
            self._add(value, event, present=bool(text or event.style))

    def start_mapping(self, event: Event) -> None:
        """Begin a mapping."""
        self._push({}, _WANTED, event)

    def start_sequence(self, event: Event) -> None:
        """Begin a list."""
        self._push([], None, event)

    def end(self, _event: Event) -> None:
        """End the innermost collection."""
        self._container, _, self._key = self._stack.pop()

    def alias(self, event: Event) -> None:
        """Note an alias, `*name`: a Problem, and its place is spoiled."""
        self._note(event, f"the alias *{event.anchor} is not allowed; {_OR_QUOTE}", Code.YAML_ALIAS)
        self._spoiled.append(self._loc())
        if self._key is _WANTED:
            self._skip_key("*")
        else:
            self._add(None, event)

    def start_document(self, event: Any) -> None:
        """Begin a document: at `---`, or at the first line of a text without it."""
        self._reset()
        self._index += 1
        self.document_start = event.start_mark.index
        if event.version is not None or event.tags:
            message = "directives (%YAML, %TAG) are not allowed; remove the line"
            self._note(event, message, Code.YAML_DIRECTIVE)

    def end_document(self, event: Event) -> None:
        """End the document."""
        document = self._finished(complete=True)
        if document.present:
            self.documents.append(document)
        self.document_start = event.end_mark.index - 1
        self._reset()

    def ignore(self, _event: Event) -> None:
        """Ignore start and end of the stream."""

    def _refuse_number(self, event: Event) -> Scalar:
        self._note(event, "a number with too many digits", Code.YAML_NUMBER)
        self._spoiled.append(self._loc())
        return 0

    def _refuse_key(self, text: str, value: Scalar, event: Event) -> None:
        """Note what is wrong with a key, unless it is the text `<<` in quotes."""
        if not event.style and text == "<<":
            self._note(event, "merge keys (<<) are not allowed", Code.YAML_MERGE)
        elif not isinstance(value, str):
            message = f'a key must be a text, found {text or "nothing"}; write "{text}" in quotes'
            self._note(event, message, Code.YAML_KEY)
        elif value in self._container:  # type: ignore[operator]  # only mappings want a key
            self._key = value
            self._note(event, f"the key {shown(value)} is given twice", Code.YAML_DUPLICATE_KEY)
        else:
            self._key = value
            return
        self._skip_key(text)

    def _skip_key(self, text: str) -> None:
        self._key = _Skipped(text)
        self._skipping = True

    def _push(self, container: dict[str, Any] | list[Any], key: _Key, event: Event) -> None:
        if event.anchor is not None or event.ctag is not None:
            self._refuse_properties(event)
        if len(self._stack) >= DEEPEST:
            message = f"more than {DEEPEST} levels inside each other"
            self._stack, self._container, self._key = [], None, None
            self._note(event, message, Code.YAML_DEPTH)
            raise TooDeep
        parent, inside = self._container, self._key
        if inside is _WANTED:
            self._refuse_collection(event)
            self._skip_key("?")
        else:
            self._add(container, event)
        self._opened = event.start_mark.index
        self._stack.append((parent, inside, self._key))
        self._container, self._key = container, key

    def _refuse_collection(self, event: Event) -> None:
        """Note a collection that stands where a key should; `{{ date }}` is one without quotes."""
        if event.start_mark.index != self._opened + 1:
            self._note(event, "a key must be a text, found a collection", Code.YAML_KEY)
            return
        message = """'{{' is two mappings; put the text in quotes, such as "{{ date }}\""""
        self._note(event, message, Code.YAML_KEY, columns_before=1)
        self._spoiled.append(self._loc())
        self.braces_line = event.start_mark.line

    def _add(self, value: Any, event: Event, *, present: bool = True) -> None:
        container = self._container
        if type(container) is dict:
            container[self._key] = value  # type: ignore[index]  # a key was taken before
            self._key = _WANTED
        elif type(container) is list:
            container.append(value)
        else:
            self._root, self._present, self._start = value, present, event.start_mark

    def _refuse_properties(self, event: Event) -> None:
        if event.anchor is not None:
            message = f"the anchor &{event.anchor} is not allowed; {_OR_QUOTE}"
            self._note(event, message, Code.YAML_ANCHOR)
        if event.ctag is not None:
            tag = str(event.ctag).replace("tag:yaml.org,2002:", "!!")
            message = f"the tag {tag} is not allowed; remove it, or put the text in quotes"
            self._note(event, message, Code.YAML_TAG)
            if self._key is not _WANTED:
                self._spoiled.append(self._loc())

    def _note(self, event: Event, message: str, code: Code, *, columns_before: int = 0) -> None:
        mark = event.start_mark
        column = mark.column + 1 - columns_before
        at = Position(self._path, mark.line + self._first_line, column)
        self._problems.add(at, dotted(self._loc()), message, code)

    def _loc(self) -> Loc:
        around = (
            len(container) - 1 if isinstance(container, list) else key
            for container, key, _ in self._stack
        )
        here = len(self._container) if isinstance(self._container, list) else self._key
        return tuple(part for part in (*around, here) if isinstance(part, (str, int)))

    def _finished(self, *, complete: bool) -> Document:
        mark = self._start
        line, column = (mark.line, mark.column + 1) if mark else (0, 1)
        value = _without_skipped(self._root) if self._skipping else self._root
        return Document(
            value=value,
            line=line + self._first_line,
            column=column,
            index=self._index,
            first_line=self._first_line,
            spoiled=tuple(self._spoiled),
            complete=complete,
            present=self._present,
        )


def _without_skipped(value: Any) -> Any:
    # As deep as DEEPEST at most.
    if isinstance(value, dict):
        keys = (key for key in value if not isinstance(key, _Skipped))
        return {key: _without_skipped(value[key]) for key in keys}
    if isinstance(value, list):
        return [_without_skipped(item) for item in value]
    return value


_HANDLERS: dict[type, Callable[[Builder, Any], None]] = {
    ScalarEvent: Builder.scalar,
    MappingStartEvent: Builder.start_mapping,
    SequenceStartEvent: Builder.start_sequence,
    MappingEndEvent: Builder.end,
    SequenceEndEvent: Builder.end,
    AliasEvent: Builder.alias,
    DocumentStartEvent: Builder.start_document,
    DocumentEndEvent: Builder.end_document,
    StreamStartEvent: Builder.ignore,
    StreamEndEvent: Builder.ignore,
}
