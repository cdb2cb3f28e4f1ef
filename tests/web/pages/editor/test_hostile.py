"""Forms that no page of ours sent: an answer 400 or a page, never an error of the server."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from reconciler.core.manifest.state import Document
from reconciler.web.http.problems import HttpProblem
from reconciler.web.pages.editor.draft import read_draft
from reconciler.web.pages.editor.edit import Editor
from reconciler.web.pages.editor.form import empty
from reconciler.web.writing.edits import nothing_beside
from tests.support.forms import edit_page
from tests.support.rig import autopilot, schedule, webhook

WRONG: tuple[Any, ...] = (None, [], {}, [{}], 1e300, True, "", "\x00", "</script>{{ 7*191 }}")
EVALUATED = ("1337", "</script>{{", "not 400")
API: Document = {"name": "call", "kind": "api", "label": "x", "enabled": True}
SIGNED = webhook(scheme="github") | {
    "signature": {"scheme": "github", "secrets": [{"env": "AUTOPILOT_SECRET_DEFAULT__X"}]}
}
NOTIFY = [{"on": ["failed"], "to": "log"}]


def carried() -> Document:
    """What an honest form carries, with a part of every kind."""
    document = autopilot(
        "triage", schedule(), SIGNED, API, notify=NOTIFY, budget={"perDay": 1},
        precheck={"program": "x"}, labels={"a": "b"},
    )  # fmt: skip
    return {**document, "metadata": {"workspace": "default", **document["metadata"]}}


def places(value: Any) -> Iterator[tuple[Any, ...]]:
    """Every place in a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for name, inside in list(items):
        yield (name,)
        if isinstance(inside, dict | list):
            yield from ((name, *place) for place in places(inside))


def broken(document: Document, place: tuple[Any, ...], *value: Any) -> Document:
    """The document with something else there, or without it."""
    changed: Any = copy.deepcopy(document)
    *way, last = place
    holder = changed
    for name in way:
        holder = holder[name]
    if value:
        holder[last] = value[0]
    else:
        del holder[last]
    return dict(changed)


def answered(document: Document) -> str:
    """The page of a form that carries this; empty where it is refused."""
    fields, fresh = {"under": json.dumps(document)}, empty("default", "agent:")
    try:
        draft = read_draft(fields, fresh, nothing_beside)
    except HttpProblem as refused:
        return "" if refused.problem.status == 400 else "not 400"
    return edit_page(Editor(draft, None, "default"))


@pytest.mark.parametrize("part", ["metadata", "spec"])
def test_a_form_whose_document_is_wrong_anywhere_is_shown_or_refused(part: str) -> None:
    document = carried()
    for place in places({part: document[part]}):
        for wrong in ((), *((value,) for value in WRONG)):
            page = answered(broken(document, place, *wrong))
            assert not any(text in page for text in EVALUATED), (place, wrong)


def test_a_form_with_more_triggers_than_any_manifest_is_refused() -> None:
    document = carried()
    document["spec"]["triggers"] = [API] * 51
    assert answered(document)
    document["spec"]["triggers"] = [API] * 101
    assert not answered(document)
