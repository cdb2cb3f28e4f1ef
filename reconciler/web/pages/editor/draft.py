"""An edit that is not saved yet: all of it travels in the form, nothing is kept on the server."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from reconciler.core.base.codes import Code
from reconciler.core.base.errors import InvalidManifests, Problem
from reconciler.core.manifest.checks import Policy
from reconciler.core.manifest.merge import Differing, differing, merged, with_value
from reconciler.core.manifest.model import Autopilot
from reconciler.core.manifest.state import Declared, Document, digest_of
from reconciler.core.manifest.trigger import TriggerKind
from reconciler.core.webhooks.errors import BodyError
from reconciler.core.webhooks.payload import parse_json
from reconciler.manifest.edit.export import to_yaml
from reconciler.manifest.load.parse import parse
from reconciler.manifest.referenced.fields import FIELDS
from reconciler.manifest.referenced.scan import scan
from reconciler.web.http.problems import HttpProblem
from reconciler.web.pages.editor.form import (
    is_shaped,
    overlaid,
    with_new_row,
    with_new_trigger,
    without_row_at,
    without_trigger_at,
)
from reconciler.web.writing.edits import (
    Beside,
    declared,
    declared_text,
    named_in,
    naming,
    nothing_beside,
)

YAML_FILE = "autopilot.yaml"
_SEPARATOR = "/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """`base` is the manifest that the edit is of, None for a new one; `mine` what the form says.

    `text` is the YAML where that is what is edited; `mine` is then what it said last when it was
    valid. `was` is what the edit began with, where somebody else changed the manifest since.
    """

    base: Document | None
    mine: Document
    text: str | None = None
    was: Document | None = None

    @property
    def version(self) -> str:
        """The digest of what the edit is of; empty for a creation."""
        return digest_of(self.base) if self.base is not None else ""

    @property
    def base_json(self) -> str:
        """What the form carries."""
        return _json(self.base)

    @property
    def was_json(self) -> str:
        """What the form carries."""
        return _json(self.was)

    @property
    def mine_json(self) -> str:
        """What the form carries: it shows a part of it only."""
        return _json(self.mine)

    @property
    def theirs(self) -> list[Differing]:
        """What somebody else changed meanwhile, beside what is mine now."""
        if self.was is None or self.base is None:
            return []
        return differing(self.was, self.base, self.mine)

    def onto(self, theirs: Document) -> "Draft":
        """The same edit of a manifest that somebody else has changed: a merge, not a loss."""
        if self.base is None:
            return self
        mine = merged(self.base, theirs, self.mine)
        text = to_yaml(mine) if self.text is not None else None
        return Draft(base=theirs, mine=mine, text=text, was=self.was or self.base)

    def taking(self, path: str) -> "Draft":
        """With the value of the others at a path (names between slashes)."""
        for each in self.theirs:
            if _SEPARATOR.join(each.path) == path:
                mine = with_value(self.mine, each.path, each.theirs)
                text = to_yaml(mine) if self.text is not None else None
                return replace(self, mine=mine, text=text)
        return self

    @property
    def named(self) -> dict[str, str]:
        """The fields whose text it wants in a file, and that file."""
        return named_in(self.mine)

    def made(self, beside: Beside) -> frozenset[str]:
        """The fields whose text is to move into a file that is not there yet."""
        return frozenset(into for into, file in self._moving().items() if beside(file) is None)

    def checked(
        self, source: str, policy: Policy, beside: Beside, *, makes_files: bool = False
    ) -> Declared:
        """The manifest as it would be, held against what it may reach. Raises InvalidManifests.

        With `makes_files` a field of the form with a text and the name of a file moves its text
        into that file; without it one of them is too much.
        """
        if self.text is not None:
            text = self.text.encode()
            return declared_text(text, source, file=YAML_FILE, policy=policy, beside=beside)
        if makes_files and (moving := self._moving()):
            return self._checked_moving(moving, source, policy, beside)
        return declared(self.mine, source, policy, beside)

    def _checked_moving(
        self, moving: Mapping[str, str], source: str, policy: Policy, beside: Beside
    ) -> Declared:
        texts = {into: str(self.mine["spec"][into]) for into in moving}
        new = {file: texts[into].encode() for into, file in moving.items()}
        spec = {name: value for name, value in self.mine["spec"].items() if name not in moving}

        def beside_or_new(name: str) -> bytes | None:
            return new.get(name) if (there := beside(name)) is None else there

        after = declared({**self.mine, "spec": spec}, source, policy, beside_or_new)
        for into, text in texts.items():
            if after.document["spec"].get(into) != text:
                raise InvalidManifests([_says_something_else(into, moving[into])])
        return after

    def _moving(self) -> dict[str, str]:
        """The fields of the form that have a text, and the file that it is to stand in."""
        spec = self.mine["spec"] if self.text is None else {}
        return {into: file for into, file in self.named.items() if spec.get(into)}


def _says_something_else(into: str, file: str) -> Problem:
    name = next(named.name for named in FIELDS if named.into == into)
    message = (
        f"{file} is there already and says something else; leave the text empty to take what it "
        "says, or give the name of a new file"
    )
    return Problem(YAML_FILE, 1, 1, f"spec.{name}.file", message, Code.FIELD_CONFLICT)


def read_draft(fields: Mapping[str, str], fresh: Document, beside: Beside) -> Draft:
    """The draft that a form carries; `fresh` is what a new one begins with.

    `beside` reads the files that its YAML names.
    Raises a problem 400 for a form that no page of ours sent.
    """
    base, was = _document(fields.get("base", "")), _document(fields.get("was", ""))
    before = _under(fields.get("under", "")) or base or fresh
    if "yaml" in fields:
        text = fields["yaml"].replace("\r\n", "\n")
        return Draft(base=base, mine=_said_by(text, before, beside), text=text, was=was)
    return Draft(base=base, mine=overlaid(before, fields), was=was)


def acted(draft: Draft, action: str, channel: str, beside: Beside = nothing_beside) -> Draft:
    """The draft after one of the form's buttons that only change the form.

    `channel` is the one that a new row of who is told begins with.
    """
    verb, _, what = action.partition(":")
    match verb:
        case "add" if what in set(TriggerKind):
            return replace(draft, mine=with_new_trigger(draft.mine, TriggerKind(what)))
        case "add" if what == "notify":
            return replace(draft, mine=with_new_row(draft.mine, channel))
        case "remove" if _is_place(what):
            return replace(draft, mine=without_trigger_at(draft.mine, int(what)))
        case "remove-notify" if _is_place(what):
            return replace(draft, mine=without_row_at(draft.mine, int(what)))
        case "take":
            return draft.taking(what)
        case "to-yaml" if draft.text is None:
            return replace(draft, text=to_yaml(draft.mine))
        case "to-form" if draft.text is not None:
            return replace(draft, mine=_meaning(draft.text, beside), text=None)
    return draft


def _is_place(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 4


def _said_by(text: str, otherwise: Document, beside: Beside) -> Document:
    try:
        return _meaning(text, beside)
    except InvalidManifests:
        return otherwise


def _meaning(text: str, beside: Beside) -> Document:
    """What a YAML says, with the names of its files in place of their texts.

    Raises InvalidManifests.
    """
    data = text.encode()
    document = declared_text(data, "form", file=YAML_FILE, beside=beside).document
    if scan(data) == ():
        return document
    return naming(document, parse(data, YAML_FILE).documents[0].value)


def _json(document: Document | None) -> str:
    return json.dumps(document, ensure_ascii=False) if document is not None else ""


def _document(text: str) -> Document | None:
    """A whole manifest that the form carried. Raises a problem 400."""
    if not text:
        return None
    try:
        return Autopilot.model_validate(parse_json(text.encode())).document()
    except (ValueError, BodyError):
        raise _not_ours() from None


def _under(text: str) -> Document | None:
    """What the fields of the form lie over; it may be wrong in any value, but not in shape."""
    if not text:
        return None
    try:
        document: Any = parse_json(text.encode())
    except BodyError:
        raise _not_ours() from None
    if not is_shaped(document):
        raise _not_ours()
    return dict(document)


def _not_ours() -> HttpProblem:
    why = "this form does not carry what it began with; load its page again"
    return HttpProblem(400, "form-invalid", why)
