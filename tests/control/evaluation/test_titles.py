"""The title and the key of a run; an expression that fails stops no run."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from structlog.testing import capture_logs

from reconciler.control.evaluation.evaluator import Evaluator
from reconciler.control.evaluation.titles import Facts, Titles
from reconciler.core.base.units import parse_duration
from reconciler.core.manifest.model import AutopilotStatus
from reconciler.core.runs.admission import Policy
from reconciler.core.runs.key import own_key
from reconciler.core.runs.live import LiveAutopilot
from reconciler.core.runs.run import Source
from reconciler.core.runs.standing import Switches

AT = datetime(2026, 11, 2, 8, tzinfo=UTC)
ROME = {"name": "clock", "kind": "schedule", "timezone": "Europe/Rome"}


@pytest.fixture(scope="module")
def titles() -> Iterator[Titles]:
    """Titles with an evaluator."""
    with Evaluator() as evaluator:
        yield Titles(evaluator)


def live(template: str | None = None, key: str | None = None) -> LiveAutopilot:
    """An autopilot as the run side sees it."""
    return LiveAutopilot(
        id="a",
        workspace="platform",
        name="triage",
        title="Nightly triage",
        labels={"team": "core"},
        digest="0" * 64,
        revision=None,
        assignee=("agent", "bot"),
        template=template,
        key_expression=key,
        policy=Policy(),
        timeout=parse_duration("90m"),
        queue_ttl=parse_duration("24h"),
        pause_after_failures=5,
        switches=Switches(status=AutopilotStatus.ACTIVE),
    )


def facts(**more: Any) -> Facts:
    """What a run's expressions may read."""
    return Facts(**{"run_id": "r1", "source": Source.SCHEDULE, "at": AT, "trigger": ROME, **more})


@pytest.mark.parametrize(
    ("template", "given", "title"),
    [
        pytest.param(None, {}, "Nightly triage", id="without a template"),
        pytest.param("Triage {{ date }} {{ time }}", {}, "Triage 2026-11-02 09:00",
                     id="local to the trigger"),
        pytest.param("{{ scheduledFor }}", {}, "2026-11-02T08:00:00Z", id="the nominal moment"),
        pytest.param("{{ run.id }} by {{ run.source }}", {"source": Source.WEBHOOK},
                     "r1 by webhook", id="the run"),
        pytest.param("{{ autopilot.labels.team }}", {}, "core", id="the autopilot"),
        pytest.param("{{ trigger.name }}", {}, "clock", id="the trigger"),
        pytest.param("On {{ payload.ref }}", {"payload": {"ref": "main"}}, "On main",
                     id="the payload"),
        pytest.param("On {{ payload.ref }}", {"payload": {"ref": "{{ run.id }}"}},
                     "On {{ run.id }}", id="what a payload says is never evaluated"),
        pytest.param("On {{ payload.ref }}", {"payload": {"ref": "a\nb"}}, "On a b",
                     id="it is one line"),
        pytest.param("{{ payload.s }}", {"payload": {"s": "x" * 500}}, "x" * 199 + "…",
                     id="of at most 200 characters"),
        pytest.param("{{ headers['x-event'] }}", {"headers": {"x-event": "push"}}, "push",
                     id="the headers"),
        pytest.param("{{ payload.missing }}", {"payload": {}}, "Nightly triage",
                     id="failing: the autopilot's own"),
        pytest.param("{{ payload.s }}", {"payload": {"s": " "}}, "Nightly triage",
                     id="empty: the autopilot's own"),
        pytest.param("{{ date }}", {"trigger": None, "source": Source.MANUAL}, "2026-11-02",
                     id="by hand: UTC"),
    ],
)  # fmt: skip
def test_titles(titles: Titles, template: str | None, given: dict[str, Any], title: str) -> None:
    assert titles.prepare(live(template), facts(**given)).title == title


@pytest.mark.parametrize(
    ("expression", "payload", "key"),
    [
        pytest.param(None, None, "", id="none: one key for all"),
        pytest.param("payload.ref", {"ref": "main"}, "main", id="from the payload"),
        pytest.param("trigger.name", None, "clock", id="from the trigger"),
        pytest.param("payload.n", {"n": 7}, "7", id="a number as text"),
    ],
)
def test_keys(titles: Titles, expression: str | None, payload: Any, key: str) -> None:
    prepared = titles.prepare(live(key=expression), facts(payload=payload))
    assert (prepared.key, prepared.note) == (key, None)


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        pytest.param({}, "ref", id="a field that is not there"),
        pytest.param({"ref": ""}, "0", id="empty"),
        pytest.param({"ref": "x" * 257}, "256", id="too long"),
    ],
)
def test_without_a_key_a_run_stands_alone_and_says_why(
    titles: Titles, payload: Any, why: str
) -> None:
    """Under one key for all that fail, `replace` would let them stop one another."""
    with capture_logs() as logs:
        first = titles.prepare(live(key="payload.ref"), facts(payload=payload))
    assert (first.note or "").endswith(logs[0]["why"]), "a sentence, no value of ours"
    assert first.key == own_key(facts().run_id)
    assert "concurrencyKey could not be evaluated" in (first.note or "")
    assert why in (first.note or "")


def test_a_title_that_fails_leaves_the_key(titles: Titles) -> None:
    prepared = titles.prepare(live("{{ payload.x }}", "payload.k"), facts(payload={"k": "a"}))
    assert (prepared.title, prepared.key) == ("Nightly triage", "a")


def test_what_is_hopeless_takes_a_bounded_time(titles: Titles) -> None:
    nested = (
        "payload.l.map(x, payload.l.map(y, payload.l.map(z, x + y + z))).size() > 0 ? 'a' : 'b'"
    )
    payload = {"l": list(range(2000))}
    prepared = titles.prepare(live(f"{{{{ {nested} }}}}", nested), facts(payload=payload))
    assert (prepared.title, prepared.key) == ("Nightly triage", own_key(facts().run_id))
