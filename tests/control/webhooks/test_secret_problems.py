"""A webhook that can take no delivery says so: to its sender, in health, and to the operator."""

from pathlib import Path

import pytest

from reconciler.control.access.secrets import SecretStore
from reconciler.control.webhooks.secret_problems import SecretProblem, list_secret_problems
from reconciler.core.runs.condition import Health
from reconciler.store.objects.autopilot_filter import AutopilotFilter
from reconciler.store.objects.overview import list_overviews
from reconciler.web.models.autopilot import condition_at
from tests.support.receiver import VARIABLE, Receiver
from tests.support.rig import Rig, agent, autopilot, webhook
from tests.support.signing import WHPK, WHSEC, lower, sign

OTHER = "AUTOPILOT_SECRET_DEFAULT__OLD"

DEAD = [
    pytest.param("standard", {}, f"the server's environment has no {VARIABLE}", id="missing"),
    pytest.param("standard", {VARIABLE: "whsec_***"}, "not base64", id="not base64"),
    pytest.param("standard", {VARIABLE: "whpk_QUJD"}, "32 bytes", id="a key too short"),
    pytest.param("gitlab", {VARIABLE: "v1,whsec_***"}, "not base64", id="gitlab, not base64"),
    pytest.param("basic", {VARIABLE: "s3cret"}, "is not user:password", id="no user"),
    pytest.param("bearer", {VARIABLE: "s3cret "}, "no header carries", id="a space behind"),
]


def prepared(rig: Rig, scheme: str, secrets: dict[str, str], *more: str) -> Receiver:
    """A webhook of this scheme that names VARIABLE, and `more`."""
    references = [{"env": VARIABLE}, *({"env": name} for name in more)]
    trigger = webhook() | {"signature": {"scheme": scheme, "secrets": references}}
    rig.apply(agent(), autopilot("triage", trigger), autopilot("open", webhook()))
    return Receiver(rig, secrets)


def problems(rig: Rig, secrets: dict[str, str]) -> list[SecretProblem]:
    """What `doctor` and the log are told."""
    return list_secret_problems(rig.database, SecretStore(Path("/nonexistent"), secrets))


def health(rig: Rig, secrets: dict[str, str]) -> tuple[Health, str]:
    """What the dashboard shows of `triage`."""
    where = AutopilotFilter(name="triage", may_be=(Health.DEGRADED, rig.clock.now()))
    (row,) = rig.database.read(lambda tx: list_overviews(tx, where, limit=10))
    store = SecretStore(Path("/nonexistent"), secrets)
    condition = condition_at(row, rig.clock.now(), store)
    return condition.health, condition.why


@pytest.mark.parametrize(("scheme", "secrets", "why"), DEAD)
def test_a_secret_that_can_never_verify_is_no_fault_of_the_sender(
    rig: Rig, scheme: str, secrets: dict[str, str], why: str
) -> None:
    hook = prepared(rig, scheme, secrets)
    headers = lower(sign("standard", WHSEC, b"{}", rig.clock.now()))
    answer = hook.send(b"{}", headers)
    assert (answer.status, answer.body["code"]) == (503, "secret-unavailable")
    assert health(rig, secrets)[0] is Health.DEGRADED
    assert why in health(rig, secrets)[1]
    (problem,) = problems(rig, secrets)
    assert (problem.workspace, problem.autopilot, problem.trigger, problem.dead) == (
        *("default", "triage", "hook"),
        True,
    )
    assert why in "; ".join(problem.why)


@pytest.mark.parametrize(
    "secret",
    [
        pytest.param(WHSEC, id="as it is written"),
        pytest.param(f"v1,{WHSEC}", id="as some show it"),
        pytest.param(WHPK, id="a public key"),
        pytest.param(f"v1a,{WHPK}", id="a public key as some show it"),
    ],
)
def test_what_can_verify_is_healthy(rig: Rig, secret: str) -> None:
    prepared(rig, "standard", {VARIABLE: secret})
    assert health(rig, {VARIABLE: secret})[0] is Health.HEALTHY
    assert problems(rig, {VARIABLE: secret}) == []


def test_while_secrets_are_changed_one_of_two_is_enough(rig: Rig) -> None:
    secrets = {OTHER: WHSEC}
    hook = prepared(rig, "standard", secrets, OTHER)
    assert hook.send(b"{}", lower(sign("standard", WHSEC, b"{}", rig.clock.now()))).status == 202
    assert health(rig, secrets)[0] is Health.HEALTHY
    (problem,) = problems(rig, secrets)
    assert not problem.dead
    assert VARIABLE in problem.why[0]


def test_a_doubtful_secret_is_told_and_works(rig: Rig) -> None:
    secrets = {VARIABLE: "s3cret\n"}
    hook = prepared(rig, "github", secrets)
    headers = lower(sign("github", "s3cret\n", b"{}", rig.clock.now()))
    assert hook.send(b"{}", headers).status == 202
    (problem,) = problems(rig, secrets)
    assert not problem.dead
    assert "white space" in problem.why[0]


def test_disabled_and_archived_webhooks_are_nobodys_business(rig: Rig) -> None:
    signature = {"scheme": "standard", "secrets": [{"env": VARIABLE}]}
    trigger = webhook() | {"signature": signature, "enabled": False}
    rig.apply(agent(), autopilot("triage", trigger))
    assert problems(rig, {}) == []
