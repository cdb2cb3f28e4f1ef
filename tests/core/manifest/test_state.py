"""Documents have one digest, and rows know whether they drifted."""

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.base.identity import Key
from reconciler.core.manifest.state import canonical, digest_of, former_names, references_of
from tests.support.worlds import agent, autopilot, row, schedule, squad


def test_the_digest_ignores_the_order_of_keys_and_triggers() -> None:
    one = autopilot("x", triggers=[schedule("a"), schedule("b")])
    other = autopilot("x", triggers=[schedule("b"), schedule("a")])
    assert one.document != other.document
    assert one.digest == other.digest == digest_of(dict(reversed(one.document.items())))


def test_the_digest_of_a_document_never_changes() -> None:
    # A database holds these digests: another one would show every object as drifted.
    assert canonical(agent().document) == (
        '{"apiVersion":"autopilots/v1","kind":"Agent","metadata":{"formerNames":[],"labels":{},'
        '"name":"bot","workspace":"default"},"spec":{"maxConcurrency":10,"runtime":'
        '{"type":"worker"}}}'
    )
    assert agent().digest == "08437a746671e3554631aee24658d8dfea1f3ec6c90d85e19e974832a61fea7f"


def test_the_digest_takes_any_text() -> None:
    assert len(digest_of({"spec": {"title": "\ud800"}})) == 64


PARTS = st.sampled_from([*map(chr, range(0x20)), "a", '"', "\\", "/", "\x7f", "é", "\ud800", "😀"])
TEXTS = st.lists(PARTS, max_size=4).map("".join)
INTEGERS = st.integers(-(2**70), 2**70)
VALUES = st.recursive(
    TEXTS | INTEGERS | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=10,
)


@given(
    spec=st.dictionaries(TEXTS, VALUES, max_size=4),
    names=st.lists(TEXTS, max_size=3),
    budget=st.none() | st.floats(),
    kind=st.sampled_from(["Autopilot", "Agent"]),
)
def test_the_digest_is_of_canonical_json_however_it_is_made(
    spec: dict[str, Any], names: list[str], budget: float | None, kind: str
) -> None:
    spec = {**spec, "triggers": [{"name": name} for name in names]}
    if budget is not None:
        spec["budget"] = {"perRun": budget}
    document = {"kind": kind, "metadata": {"name": "x", "annotations": {"a": "b"}}, "spec": spec}
    text = canonical(document).encode("utf-8", "surrogatepass")
    assert digest_of(document) == hashlib.sha256(text).hexdigest()


@pytest.mark.parametrize(
    ("spec", "digest"),
    [
        pytest.param(
            {"description": 'Wash \x01 "it"', "triggers": [schedule("a")]},
            "bd6e9d365aebef643132eb8b30d14b96b199ad60b01be0e3a68778ddf4d2d597",
            id="printable ASCII",
        ),
        pytest.param(
            {"title": "é \x7f"},
            "8083623c9b2df8f95ada3ff2ab26905c52eeffebde13773f00d5aba714ce9db6",
            id="other characters",
        ),
        pytest.param(
            {"budget": {"perRun": 0.00001}},
            "9969e490c89f10d9a816443e7691d272867c9600180b63070519e5b8b6531575",
            id="a budget",
        ),
    ],
)
def test_the_digest_of_an_autopilot_never_changes(spec: dict[str, Any], digest: str) -> None:
    assert autopilot("x", **spec).digest == digest


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        pytest.param(agent().document, (), id="an agent"),
        pytest.param(
            squad("s", "a", "b", workspace="w").document,
            (Key("Agent", "w", "a"), Key("Agent", "w", "b")),
            id="a squad's members",
        ),
        pytest.param(
            autopilot("x", assignee=("squad", "s")).document,
            (Key("Squad", "default", "s"),),
            id="an autopilot's assignee",
        ),
    ],
)
def test_references(document: dict[str, object], expected: tuple[Key, ...]) -> None:
    assert references_of(document) == expected


def test_former_names_come_in_their_order() -> None:
    assert former_names(agent("c", formerNames=["b", "a"]).document) == ("b", "a")
    assert former_names({"metadata": {"name": "x"}}) == ()


def test_a_row_drifts_from_what_was_applied() -> None:
    assert not row(agent()).drifted
    assert row(agent(), now=agent(limit=9)).drifted
    assert not row(agent(), applied=False).drifted
