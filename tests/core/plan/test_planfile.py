"""A saved plan comes back as it was, and a doctored one does not come back at all."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.base.errors import InvalidManifests, ReconcilerError, StalePlan, UsageError
from reconciler.core.base.identity import Key, Revision
from reconciler.core.manifest.checks import OFFLINE, Policy
from reconciler.core.manifest.checks.recheck import problems_of
from reconciler.core.manifest.state import Current, Declared, Desired, FileDigest
from reconciler.core.plan import planfile
from reconciler.core.plan.footprint import check_still_holds
from reconciler.core.plan.plan import make_plan
from reconciler.core.plan.planfile import read_plan, write_plan
from tests.support.strategies import VALUES, desired_sets
from tests.support.worlds import agent, autopilot, current, declared, desired, row, schedule, squad

REVISION = Revision(
    "c0ffee",
    "Ada <ada@example.org>",
    "Wörk\n\x1b[31m" * 3000,
    datetime(2026, 3, 1, 9, 0, 1, 5, UTC),
)
BEFORE = current(row(agent()), row(autopilot("gone")))
KEYS = (Key("Agent", "default", "bot"),)
WANTED = Desired(
    "platform",
    REVISION,
    desired(agent(limit=3), autopilot("new", triggers=[schedule("a", jitter="5m")])).objects,
    (FileDigest("all.yaml", "a" * 64, KEYS), FileDigest("empty.yaml", "b" * 64)),
)


def saved(**options: Any) -> dict[str, Any]:
    text = write_plan(make_plan(BEFORE, WANTED, **options), WANTED, **options)
    body: dict[str, Any] = json.loads(text)
    return body


def test_a_saved_plan_comes_back() -> None:
    plan = make_plan(BEFORE, WANTED, self_heal=False)
    back = read_plan(write_plan(plan, WANTED, self_heal=False).encode())
    assert back.desired.revision == REVISION
    assert back.desired.files == WANTED.files
    assert {k: d.digest for k, d in back.desired.objects.items()} == {
        k: d.digest for k, d in WANTED.objects.items()
    }
    assert {d.origin.source_id for d in back.desired.objects.values()} == {"platform"}
    assert (back.digest, back.footprint, back.self_heal) == (plan.digest, plan.footprint, False)
    check_still_holds(back, make_plan(BEFORE, back.desired, self_heal=back.self_heal))


def test_a_saved_plan_is_stale_when_its_objects_moved() -> None:
    back = read_plan(json.dumps(saved()))
    with pytest.raises(StalePlan, match="Agent default/bot"):
        check_still_holds(back, make_plan(Current(), back.desired))


@given(desired_sets(), desired_sets())
@settings(max_examples=30)
def test_any_plan_comes_back(first: Desired, second: Desired) -> None:
    before = current(*(row(each) for each in first.objects.values()))
    plan = make_plan(before, second)
    back = read_plan(write_plan(plan, second))
    assert back.desired == second
    assert make_plan(before, back.desired) == plan
    check_still_holds(back, plan)


def _resealed(body: dict[str, Any]) -> dict[str, Any]:
    """With the checksum of what it now holds, as somebody who knows the format would."""
    body.pop("checksum", None)
    return {**body, "checksum": planfile._checksum(body)}


def _without(field: str) -> Callable[[dict[str, Any]], Any]:
    return lambda body: {key: value for key, value in body.items() if key != field}


def _with(**fields: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda body: {**body, **fields}


def _resealed_with(**fields: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda body: _resealed({**body, **fields})


def _resealed_manifest(change: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], Any]:
    def doctor(body: dict[str, Any]) -> Any:
        change(body["objects"][0]["manifest"])
        return _resealed(body)

    return doctor


@pytest.mark.parametrize(
    ("doctor", "error", "message"),
    [
        pytest.param(_with(digest="0" * 64), StalePlan, "damaged or edited", id="another digest"),
        pytest.param(_without("digest"), StalePlan, "no digest", id="no digest"),
        pytest.param(_with(digest=None), StalePlan, "no digest", id="a null digest"),
        pytest.param(_without("checksum"), StalePlan, "no digest", id="no checksum"),
        pytest.param(_with(selfHeal=False), StalePlan, "damaged or edited", id="an edited flag"),
        pytest.param(_with(extra=1), StalePlan, "damaged or edited", id="an added field"),
        pytest.param(
            _resealed_with(digest="0" * 64), StalePlan, "not that of its changes", id="resealed"
        ),
        pytest.param(
            _resealed_with(touched=[]), StalePlan, "not that of its changes", id="nothing touched"
        ),
        pytest.param(
            _resealed_with(objects=[]), StalePlan, "does not hold what it says", id="no objects"
        ),
        pytest.param(
            _resealed_manifest(lambda manifest: manifest["spec"].update(maxConcurrency=9)),
            StalePlan,
            "does not hold what it says of Agent default/bot",
            id="another manifest",
        ),
        pytest.param(
            _resealed_manifest(lambda manifest: manifest["spec"].update(maxConcurrency=0)),
            UsageError,
            "maxConcurrency",
            id="an invalid manifest",
        ),
        pytest.param(
            _resealed_manifest(lambda manifest: manifest["metadata"].update(name="../x")),
            UsageError,
            "is not a name",
            id="an invalid name",
        ),
        pytest.param(
            _resealed_manifest(lambda manifest: manifest.update(kind="Secret")),
            UsageError,
            "objects.0.manifest",
            id="an unknown kind",
        ),
        pytest.param(_resealed_with(extra=1), UsageError, "malformed at extra", id="more fields"),
        pytest.param(_resealed_with(owned=-1), UsageError, "owned", id="a negative count"),
        pytest.param(_with(formatVersion=2), UsageError, "formatVersion 2", id="a later format"),
        pytest.param(
            _with(formatVersion=True), UsageError, "formatVersion True", id="true is not 1"
        ),
        pytest.param(_without("formatVersion"), UsageError, "formatVersion None", id="no format"),
        pytest.param(lambda body: [body], UsageError, "no saved plan", id="a list"),
    ],
)
def test_a_doctored_plan_is_refused(
    doctor: Callable[[dict[str, Any]], Any], error: type[ReconcilerError], message: str
) -> None:
    with pytest.raises(error) as refused:
        read_plan(json.dumps(doctor(saved())))
    assert type(refused.value) is error
    assert message in str(refused.value)


def sealed_with(*objects: Declared) -> str:
    """A consistent plan of objects that the loader would not have let through."""
    wanted = desired(*objects)
    return write_plan(make_plan(Current(), wanted), wanted)


def test_what_no_manifest_may_reach_is_refused_although_all_digests_fit() -> None:
    secret = {"env": "AUTOPILOT_SECRET_OTHER__TOKEN"}
    runtime = {"type": "http", "url": "https://elsewhere.example", "secret": secret}
    doctored = sealed_with(declared("Agent", "bot", {"runtime": runtime}, line=4))
    with pytest.raises(InvalidManifests) as invalid:
        read_plan(doctored)
    assert {(p.path, p.line, p.field) for p in invalid.value.problems} == {
        ("agents/bot.yaml", 4, "spec.runtime.url"),
        ("agents/bot.yaml", 4, "spec.runtime.secret.env"),
    }


def test_the_operator_says_what_a_saved_plan_may_reach() -> None:
    runtime = {"type": "command", "program": "tool"}
    text = sealed_with(declared("Agent", "bot", {"runtime": runtime}))
    read_plan(text, Policy(allowed_commands=frozenset({"tool"})))
    with pytest.raises(InvalidManifests):
        read_plan(text, Policy(allowed_commands=frozenset()))


def test_references_are_checked_where_current_is_known() -> None:
    saved_plan = read_plan(sealed_with(squad("s", "there", "gone")))
    external = {Key("Agent", "default", "there")}
    (problem,) = problems_of(saved_plan.desired, OFFLINE, external.__contains__)
    assert (problem.code, problem.field) == ("member-unknown", "spec.members[1]")


def test_an_object_that_stands_twice_is_refused() -> None:
    body = saved()
    body["objects"].append(body["objects"][0])
    with pytest.raises(UsageError, match="holds Agent default/bot twice"):
        read_plan(json.dumps(_resealed(body)))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("kind: Agent", id="YAML"),
        pytest.param(b"\xff\xfe{}", id="no UTF-8"),
        pytest.param("[" * 100_000, id="deep nesting"),
        pytest.param('{"formatVersion":' + "[" * 50_000 + "]" * 50_000 + "}", id="a deep value"),
        pytest.param("null", id="null"),
        pytest.param("9" * 5000, id="a number that is too long for int"),
        pytest.param('{"formatVersion": NaN}', id="not a number"),
    ],
)
def test_what_is_no_plan_is_a_usage_error(text: str | bytes) -> None:
    with pytest.raises(UsageError):
        read_plan(text)


def test_a_plan_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planfile, "MAX_BYTES", 100)
    with pytest.raises(UsageError, match="at most"):
        read_plan(json.dumps(saved()))


@given(st.dictionaries(st.sampled_from([*saved()]), VALUES))
def test_no_content_raises_anything_else(fields: dict[str, Any]) -> None:
    body = {**saved(), **fields}
    for text in (json.dumps(body), json.dumps(_resealed(body))):
        try:
            read_plan(text)
        except (UsageError, StalePlan):
            continue
