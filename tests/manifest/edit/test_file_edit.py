"""Edits where texts stand in files of their own: which file changes, and which one is named."""

from typing import Any

import pytest

from reconciler.control.apply.source_files import SourceFiles
from reconciler.core.base.identity import Key
from reconciler.core.manifest.state import Declared, Stored, digest_of
from reconciler.manifest.edit.edit import CannotEdit
from reconciler.manifest.edit.file_edit import FileEdit, edit_file
from reconciler.manifest.files import Bundle
from reconciler.manifest.load.load import load_bundle

KEY = Key("Autopilot", "default", "triage")
HEAD = """\
apiVersion: autopilots/v1
kind: Autopilot
metadata: {name: triage}
spec:
  title: Triage # what people see
  assignee: {type: agent, id: bot}
"""
INLINE = HEAD + "  description: Label them.\n"
BY_NAME = HEAD + "  descriptionFrom: {file: prompts/triage.md}\n"
WITH_SCHEMA = HEAD + "  expectSchema: {file: _schemas/x.json}\n"
TEXTS = {"prompts/triage.md": b"Label them.", "_schemas/x.json": b'{"type": "object"}'}


def edited(
    manifest: str, named: dict[str, str] | None = None, made: tuple[str, ...] = (), **spec: Any
) -> FileEdit:
    """The edit that gives the autopilot of a manifest other values; None takes one away."""
    contents = {**TEXTS, "all.yaml": manifest.encode()}
    row = load_bundle(contents, source_id="s", allow_external=True).objects[KEY]
    stored = Stored(
        row.key, row.id, row.document, row.digest, source_id="s", origin=row.origin,
        applied=row.document, applied_digest=row.digest,
    )  # fmt: skip
    values = {**row.document["spec"], **spec}
    wanted = {**row.document, "spec": {k: v for k, v in values.items() if v is not None}}
    after = Declared(row.key, row.id, wanted, digest_of(wanted), row.origin)
    return edit_file(stored, after, SourceFiles(Bundle(contents)), named or {}, set(made))


def test_what_stands_beside_a_named_schema_can_be_edited() -> None:
    edit = edited(WITH_SCHEMA, title="Other")
    assert edit.after == WITH_SCHEMA.replace("title: Triage", "title: Other").encode()


def test_a_named_schema_is_edited_in_its_file() -> None:
    edit = edited(WITH_SCHEMA, resultSchema='{"type": "array"}')
    assert (edit.path, edit.after) == ("_schemas/x.json", b'{"type": "array"}')


@pytest.mark.parametrize(
    ("manifest", "emptied"),
    [
        pytest.param(BY_NAME, {"description": ""}, id="description"),
        pytest.param(WITH_SCHEMA, {"resultSchema": None}, id="schema"),
    ],
)
def test_a_text_that_is_emptied_is_no_longer_named(manifest: str, emptied: dict[str, Any]) -> None:
    edit = edited(manifest, **emptied)
    assert (edit.path, edit.after) == ("all.yaml", HEAD.encode())


def test_a_text_goes_into_a_file_that_says_the_same() -> None:
    edit = edited(INLINE, {"description": "prompts/triage.md"}, title="Other")
    assert edit.after == BY_NAME.replace("title: Triage", "title: Other").encode()


def test_another_file_is_named() -> None:
    schema = {"resultSchema": "_schemas/x.json"}
    edit = edited(
        BY_NAME,
        schema | {"description": "prompts/triage.md"},
        resultSchema=TEXTS["_schemas/x.json"].decode(),
    )
    assert edit.after == (BY_NAME + "  expectSchema: {file: _schemas/x.json}\n").encode()


def test_a_new_autopilot_names_its_file() -> None:
    after = load_bundle({"a.yaml": INLINE.encode()}, source_id="s", allow_external=True).objects[
        KEY
    ]
    contents = {"default/prompts/triage.md": b"Label them."}
    files = SourceFiles(Bundle(contents))
    edit = edit_file(None, after, files, {"description": "prompts/triage.md"})
    assert edit.path == "default/triage.yaml"
    assert b"descriptionFrom: {file: prompts/triage.md}" in (edit.after or b"")
    assert b"Label them" not in (edit.after or b"")


@pytest.mark.parametrize("text", [b"Something else.", None])
def test_a_file_that_says_something_else_is_not_named(text: bytes | None) -> None:
    after = load_bundle({"a.yaml": INLINE.encode()}, source_id="s", allow_external=True).objects[
        KEY
    ]
    files = SourceFiles(Bundle({} if text is None else {"default/x.md": text}))
    with pytest.raises(CannotEdit):
        edit_file(None, after, files, {"description": "x.md"})


def test_a_text_moves_into_a_file_that_is_made() -> None:
    edit = edited(INLINE, {"description": "new.md"}, ("description",))
    assert edit.after == (HEAD + "  descriptionFrom: {file: new.md}\n").encode()
    assert edit.made == {"new.md": b"Label them."}
    other = edited(BY_NAME, {"description": "new.md"}, ("description",), description="Close them.")
    assert (other.after, other.made) == (edit.after, {"new.md": b"Close them."})


@pytest.mark.parametrize(
    ("manifest", "named", "spec"),
    [
        pytest.param(INLINE, {"description": "prompts/triage.md"}, {}, id="it is there"),
        pytest.param(INLINE, {"description": "x.md"}, {"description": "a\rb"}, id="not kept so"),
        pytest.param(
            BY_NAME,
            {"resultSchema": "x.json"},
            {"description": "Other.", "resultSchema": "{}"},
            id="beside the edit of another",
        ),
    ],
)
def test_what_cannot_move_stays(manifest: str, named: dict[str, str], spec: dict[str, Any]) -> None:
    with pytest.raises(CannotEdit):
        edited(manifest, named, tuple(named), **spec)
