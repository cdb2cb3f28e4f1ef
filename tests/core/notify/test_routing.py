"""Which channel hears of what."""

from typing import Any

import pytest

from reconciler.core.manifest.notify import Event
from reconciler.core.notify.routing import Defaults, events_of_end, routes, rules_of
from reconciler.core.runs.run import Reason, Status


@pytest.mark.parametrize(
    ("status", "reason", "recovers", "events"),
    [
        (Status.COMPLETED, None, False, ["completed"]),
        (Status.COMPLETED, None, True, ["recovered", "completed"]),
        (Status.SKIPPED, Reason.OVERLAP, False, ["skipped"]),
        (Status.SKIPPED, Reason.OVER_BUDGET, False, ["over_budget", "skipped"]),
        (Status.FAILED, Reason.OVER_BUDGET, False, ["over_budget", "failed"]),
        (Status.FAILED, Reason.EXPIRED, False, ["failed"]),
        (Status.FAILED, Reason.CANCELLED, False, []),
        (Status.FAILED, Reason.REPLACED, False, []),
    ],
)
def test_what_an_end_is(
    status: Status, reason: Reason | None, recovers: bool, events: list[str]
) -> None:
    assert [*events_of_end(status, reason, recovers=recovers)] == events


def test_a_channel_hears_once_by_the_most_telling_event() -> None:
    rules = {"completed": ("a", "b"), "recovered": ("b",)}
    assert routes(rules, [Event.RECOVERED, Event.COMPLETED]) == {"b": "recovered", "a": "completed"}


def test_rules_of_a_manifest() -> None:
    notify = [{"on": ["failed", "late"], "to": "a"}, {"on": ["failed"], "to": "b"}]
    assert rules_of(notify) == {"failed": ("a", "b"), "late": ("a",)}


@pytest.mark.parametrize("broken", ["text", 7, {"on": []}, None])
def test_what_is_no_list_has_no_rules(broken: Any) -> None:
    assert rules_of(broken) is None


@pytest.mark.parametrize(
    "broken",
    [
        [7],
        [{}],
        [{"on": "failed"}],
        [{"on": ["late"], "to": "x" * 64}],
        [{"on": ["late"], "to": 7}],
        [{"on": ["late"]}],
    ],
)
def test_a_document_that_was_edited_by_hand_is_read_as_far_as_it_can_be(broken: Any) -> None:
    assert rules_of(broken) == {}


def test_a_workspace_without_defaults_has_those_of_every_other() -> None:
    defaults = Defaults({"*": {"failed": ("a",)}, "red": {"late": ("b",)}})
    assert defaults.of("red") == {"late": ("b",)}
    assert defaults.of("blue") == {"failed": ("a",)}
    assert Defaults().of("blue") == {}
