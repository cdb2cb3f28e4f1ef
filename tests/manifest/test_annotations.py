"""`metadata.annotations`: kept and shown, never compared."""

from reconciler.core.base.identity import Key
from reconciler.core.manifest.state import digest_of
from reconciler.core.plan.fielddiff import field_changes
from reconciler.manifest.edit.export import to_yaml
from tests.support.builders import an_agent, desired, problems_in

PLAIN = an_agent()
NOTED = an_agent(metadata={"annotations": {"example.com/owner": "core"}})
KEY = Key("Agent", "platform", "triage-bot")


def test_a_manifest_that_differs_in_annotations_only_is_the_same() -> None:
    plain, noted = desired(PLAIN).objects[KEY], desired(NOTED).objects[KEY]
    assert plain.digest == noted.digest == digest_of(noted.document)
    assert field_changes(plain.document, noted.document) == ()


def test_an_export_holds_them() -> None:
    noted = desired(NOTED).objects[KEY]
    text = to_yaml(noted.document)
    assert "annotations:" in text
    assert "example.com/owner" in text


def test_they_are_text_to_text() -> None:
    (problem,) = problems_in(an_agent("other", metadata={"annotations": {"a": 1}}))
    assert (problem.field, problem.code) == ("metadata.annotations.a", "field-type")
