"""Documents have one digest, and rows know whether they drifted."""

import pytest

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
