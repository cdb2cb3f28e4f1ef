"""Ids: those of RFC 9562, and the same for ever."""

from uuid import uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.base.identity import NAMESPACE, object_id, trigger_id

NAMES = st.text(st.characters(codec="utf-8"), max_size=80)


@given(NAMES, NAMES, NAMES)
def test_they_are_version_5_uuids(kind: str, workspace: str, name: str) -> None:
    expected = str(uuid5(NAMESPACE, f"{workspace}/{kind}/{name}"))
    assert object_id(kind, workspace, name) == expected
    assert trigger_id(expected, name) == str(uuid5(NAMESPACE, f"{expected}/{name}"))


@pytest.mark.parametrize(
    ("kind", "workspace", "name", "expected"),
    [
        ("Agent", "default", "bot", "7f893c2d-865b-58ca-b301-6beb9bfff8f7"),
        ("Autopilot", "platform", "nightly-triage", "4915e047-a882-528c-8c24-cab546cdea44"),
    ],
)
def test_a_known_object_keeps_its_id(kind: str, workspace: str, name: str, expected: str) -> None:
    assert object_id(kind, workspace, name) == expected
