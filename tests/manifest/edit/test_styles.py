"""Edits of two hundred files of different styles touch their own lines and no others."""

import copy
import difflib
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from reconciler.core.base.identity import Key
from reconciler.manifest.edit.edit import apply_edit
from reconciler.manifest.load.load import load_bundle
from tests.support.builders import Document
from tests.support.yaml_styles import AGENT, NAME, StyledFile, styled_file

FILES = [styled_file(seed) for seed in range(200)]
KEY = Key("Autopilot", "default", NAME)


def document(data: bytes) -> Document:
    files = {"agents.yaml": AGENT, "a.yaml": data}
    return dict(load_bundle(files, source_id="x").objects[KEY].document)


def edited(file: StyledFile, change: Callable[[Document], Any]) -> bytes:
    before = document(file.data)
    after = copy.deepcopy(before)
    change(after)
    return apply_edit(file.data, before, after)


def lines(data: bytes) -> list[bytes]:
    """The lines, each with its break; the last one perhaps without."""
    return data.splitlines(keepends=True)


def touched(before: bytes, after: bytes) -> tuple[list[bytes], list[bytes]]:
    """The lines that went, and those that came."""
    was, now = lines(before), lines(after)
    went: list[bytes] = []
    came: list[bytes] = []
    matcher = difflib.SequenceMatcher(None, was, now, autojunk=False)
    for tag, i, i_end, j, j_end in matcher.get_opcodes():
        if tag != "equal":
            went += was[i:i_end]
            came += now[j:j_end]
    return went, came


def trigger(document_: Document, name: str) -> Document:
    return next(entry for entry in document_["spec"]["triggers"] if entry["name"] == name)


def without(name: str, document_: Document) -> None:
    document_["spec"]["triggers"].remove(trigger(document_, name))


SCALARS = [
    pytest.param(lambda d: d["spec"].update(title="Another: title's"), id="a text"),
    pytest.param(lambda d: d["spec"].update(timeout="3h"), id="a duration"),
    pytest.param(lambda d: d["spec"].update(queueLimit=17), id="a number"),
    pytest.param(lambda d: d["metadata"]["labels"].update(team="ops"), id="a label"),
    pytest.param(lambda d: trigger(d, "t1").update(cron="1 2 3 * *"), id="a field of a trigger"),
]


def test_the_styles_are_many() -> None:
    texts = [file.data for file in FILES]
    assert len(set(texts)) == 200
    for sign in (b"\r\n", b"\xef\xbb\xbf", b"# ", b'"auto', b"- {", b"description: |", b"\n---"):
        having = sum(sign in text for text in texts)
        assert 10 < having < 190, sign
    assert 10 < sum(not text.endswith(b"\n") for text in texts) < 190


@pytest.mark.parametrize("change", SCALARS)
def test_one_changed_value_is_one_changed_line(change: Callable[[Document], Any]) -> None:
    for seed, file in enumerate(FILES):
        went, came = touched(file.data, edited(file, change))
        assert (len(went), len(came)) == (1, 1), seed


def test_a_new_trigger_adds_its_own_lines_only() -> None:
    def add(document_: Document) -> None:
        triggers = document_["spec"]["triggers"]
        new = {**triggers[0], "name": "added", "cron": "5 5 * * *", "timezone": "UTC"}
        triggers.append(new)

    for seed, file in enumerate(FILES):
        after = edited(file, add)
        went, came = touched(file.data, after)
        # Behind a last line without a break the break comes too.
        assert not went or (len(went) == 1 and came[0].rstrip(b"\r\n") == went[0]), seed
        assert b"added" in b"".join(came), seed
        assert len(came) - len(went) <= 3, seed


@pytest.mark.parametrize("place", [0, 1, -1], ids=["first", "second", "last"])
def test_a_removed_trigger_takes_its_own_lines_only(place: int) -> None:
    for seed, file in enumerate(FILES):
        name = file.triggers[place]
        after = edited(file, partial(without, name))
        went, came = touched(file.data, after)
        assert not came, seed
        assert len(went) <= 4, seed
        assert f"name: {name}".encode() in went[0], seed
