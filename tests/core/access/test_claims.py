"""Rules map claims to roles; a rule for admin must pin what a pull request cannot choose."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.access.claims import Rule, caller_of_claims, objection_to
from reconciler.core.access.roles import Role

ISSUER = "https://issuer.example"
MAIN = {
    "repository": frozenset({"acme/automations"}),
    "ref": frozenset({"refs/heads/main"}),
    "event": frozenset({"push"}),
}
CLAIMS = {
    "iss": ISSUER,
    "aud": "reconciler",
    "repository": "acme/automations",
    "ref": "refs/heads/main",
    "event_name": "push",
    "actor": "ada",
}


def rule(role: Role = Role.ADMIN, **more: Any) -> Rule:
    """A rule for pushes to main."""
    return Rule(**({"issuer": ISSUER, "audience": "reconciler", "role": role, "pins": MAIN} | more))


def only(*names: str) -> dict[str, frozenset[str]]:
    """Some of the pins."""
    return {name: MAIN[name] for name in names}


PLANNER = rule(Role.PLANNER, pins=only("repository"))


@pytest.mark.parametrize(
    ("claims", "role"),
    [
        pytest.param({}, Role.ADMIN, id="a push to main may apply"),
        pytest.param({"aud": ["other", "reconciler"]}, Role.ADMIN, id="one of several audiences"),
        pytest.param({"ref": "refs/heads/feature"}, Role.PLANNER, id="another branch may plan"),
        pytest.param({"event_name": "pull_request"}, Role.PLANNER, id="a pull request may plan"),
        pytest.param(
            {"event_name": "pull_request_target"}, Role.PLANNER, id="one that runs on main, too"
        ),
        pytest.param({"repository": "acme/automations2"}, None, id="another repository"),
        pytest.param({"repository": "ACME/automations"}, None, id="spelled otherwise"),
        pytest.param({"repository": ["acme/automations"]}, None, id="a list"),
        pytest.param({"repository": None}, None, id="no repository"),
        pytest.param({"iss": "https://other.example"}, None, id="another issuer"),
        pytest.param({"aud": "other"}, None, id="for somebody else"),
        pytest.param({"aud": None}, None, id="for nobody"),
    ],
)
def test_the_strongest_rule_that_fits_decides(claims: dict[str, Any], role: Role | None) -> None:
    found = caller_of_claims([PLANNER, rule()], CLAIMS | claims)
    assert (found.role if found else None) == role


def test_history_names_repository_ref_and_person() -> None:
    found = caller_of_claims([rule()], CLAIMS)
    assert found is not None
    assert found.name == "acme/automations@refs/heads/main (ada)"


def test_a_rule_may_ask_for_more_claims_and_limit_workspaces() -> None:
    strict = rule(claims={"environment": "production"}, workspaces=frozenset({"platform"}))
    assert caller_of_claims([strict], CLAIMS) is None
    found = caller_of_claims([strict], CLAIMS | {"environment": "production"})
    assert found is not None
    assert found.workspaces == frozenset({"platform"})


def test_other_issuers_call_them_otherwise() -> None:
    names = {"repository": "project_path", "ref": "ref_path", "event": "pipeline_source"}
    theirs = {
        "project_path": "acme/automations",
        "ref": "main",
        "ref_path": "refs/heads/main",
        "pipeline_source": "push",
    }
    issued = {"iss": ISSUER, "aud": "reconciler"}
    assert caller_of_claims([rule(names=names)], issued | theirs) is not None
    tag = theirs | {"ref_path": "refs/tags/main"}
    assert caller_of_claims([rule(names=names)], issued | tag) is None


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        pytest.param(rule(pins=only("repository", "ref")), "pin event", id="no event"),
        pytest.param(rule(pins=only("repository", "event")), "pin ref", id="no ref"),
        pytest.param(rule(pins=only("ref", "event")), "repository", id="no repository"),
        pytest.param(rule(Role.PLANNER, pins={}), "repository", id="a planner of everybody"),
        pytest.param(
            rule(pins=MAIN | {"event": frozenset({"push", "pull_request_target"})}),
            "pull_request_target", id="an event of outsiders",
        ),
        pytest.param(
            rule(pins=MAIN | {"event": frozenset({"merge_request_event"})}),
            "merge_request_event", id="the same at GitLab",
        ),
        pytest.param(
            rule(pins=MAIN | {"event": frozenset({"workflow_run"})}),
            "workflow_run", id="an event that follows on one of outsiders",
        ),
        pytest.param(
            rule(pins=MAIN | {"event": frozenset({"discussion_comment"})}),
            "discussion_comment", id="a comment",
        ),
        pytest.param(
            rule(pins=MAIN | {"ref": frozenset({"refs/pull/7/merge"})}),
            "refs/pull/7", id="a ref of outsiders",
        ),
        pytest.param(
            rule(pins=MAIN | {"ref": frozenset({"main"})}),
            'pin refs/heads/main (at GitLab with names.ref = "ref_path")',
            id="a branch or a tag",
        ),
        pytest.param(rule(Role.OPERATOR), "planner or admin", id="another role"),
    ],
)  # fmt: skip
def test_unsafe_rules_are_refused(wrong: Rule, why: str) -> None:
    assert why in str(objection_to(wrong))


@pytest.mark.parametrize(
    "right",
    [
        pytest.param(rule(), id="a push to main"),
        pytest.param(
            rule(pins=MAIN | {"event": frozenset({"push", "schedule", "workflow_dispatch"})}),
            id="events of those who may write",
        ),
        pytest.param(PLANNER, id="a planner"),
        pytest.param(rule(Role.PLANNER), id="a planner of main"),
        pytest.param(
            rule(pins=MAIN | {"ref": frozenset({"main"})}, claims={"ref_type": "branch"}),
            id="a short name and what it is of",
        ),
    ],
)
def test_safe_rules_are_not(right: Rule) -> None:
    assert objection_to(right) is None


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*CLAIMS, "sub"]), json))
def test_no_claims_raise_and_admin_needs_every_pin(claims: dict[str, Any]) -> None:
    found = caller_of_claims([PLANNER, rule()], claims)
    assert found is None or claims["repository"] == "acme/automations"
    assert found is None or found.role is Role.PLANNER or claims["event_name"] == "push"
