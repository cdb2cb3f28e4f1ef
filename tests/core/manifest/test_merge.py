"""Two people change one manifest: nothing of either is lost, and contradictions are told."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.manifest.merge import MISSING, differing, merged, with_value


def manifest(*triggers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """A manifest with these fields."""
    return {"kind": "Autopilot", "spec": {**spec, "triggers": list(triggers)}}


CLOCK = {"name": "clock", "kind": "schedule", "cron": "0 9 * * *"}
HOOK = {"name": "hook", "kind": "webhook"}


def test_changes_of_other_fields_come_together() -> None:
    was = manifest(CLOCK, title="A", timeout="1h")
    theirs = manifest({**CLOCK, "enabled": False}, title="A", timeout="2h")
    mine = manifest({**CLOCK, "cron": "0 8 * * *"}, title="B", timeout="1h")
    both = merged(was, theirs, mine)
    assert both == manifest(
        {**CLOCK, "cron": "0 8 * * *", "enabled": False}, title="B", timeout="2h"
    )
    assert not any(each.contradicts for each in differing(was, theirs, both))


def test_where_both_changed_the_same_mine_stands_and_theirs_is_told() -> None:
    was, theirs, mine = (manifest(title=title) for title in ("A", "B", "C"))
    both = merged(was, theirs, mine)
    assert both == mine
    (told,) = differing(was, theirs, both)
    assert (told.path, told.was, told.theirs, told.mine) == (("spec", "title"), "A", "B", "C")
    assert told.contradicts
    assert with_value(both, told.path, told.theirs) == theirs


def test_triggers_are_known_by_their_names() -> None:
    was = manifest(CLOCK, HOOK)
    theirs = manifest(HOOK, {"name": "new", "kind": "api"})
    mine = manifest({"name": "first", "kind": "api"}, CLOCK, HOOK)
    names = [t["name"] for t in merged(was, theirs, mine)["spec"]["triggers"]]
    assert names == ["first", "hook", "new"]


def test_what_one_removed_and_the_other_changed_is_a_contradiction() -> None:
    was, theirs = manifest(CLOCK), manifest()
    mine = manifest({**CLOCK, "cron": "0 8 * * *"})
    both = merged(was, theirs, mine)
    assert both == mine
    (told,) = differing(was, theirs, both)
    assert told.contradicts
    assert told.theirs is MISSING
    assert with_value(both, told.path, MISSING) == theirs


VALUES = st.recursive(
    st.integers(0, 3) | st.lists(st.integers(0, 1), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
DOCUMENTS = st.builds(
    lambda spec, triggers: {"spec": {**spec, "triggers": list(triggers.values())}},
    st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3),
    st.dictionaries(
        st.sampled_from("xyz"), st.dictionaries(st.sampled_from("abc"), VALUES, max_size=2)
    ).map(lambda ts: {name: {"name": name, **t} for name, t in ts.items()}),
)


def unordered(document: dict[str, Any]) -> dict[str, Any]:
    """The document with its triggers in the order of their names."""
    spec = document["spec"]
    return {"spec": {**spec, "triggers": sorted(spec["triggers"], key=lambda t: t["name"])}}


@given(DOCUMENTS, DOCUMENTS)
def test_who_changed_nothing_gets_what_the_other_wrote(was: Any, other: Any) -> None:
    assert unordered(merged(was, other, was)) == unordered(other)
    assert unordered(merged(was, was, other)) == unordered(other)
    assert unordered(merged(was, other, other)) == unordered(other)


@given(DOCUMENTS, DOCUMENTS, DOCUMENTS)
def test_without_a_contradiction_the_order_of_the_two_does_not_matter(
    was: Any, theirs: Any, mine: Any
) -> None:
    both = merged(was, theirs, mine)
    if not any(each.contradicts for each in differing(was, theirs, mine)):
        assert unordered(both) == unordered(merged(was, mine, theirs))


@given(DOCUMENTS, DOCUMENTS, DOCUMENTS)
def test_a_merge_that_is_merged_again_stays(was: Any, theirs: Any, mine: Any) -> None:
    both = merged(was, theirs, mine)
    assert unordered(merged(was, theirs, both)) == unordered(both)
