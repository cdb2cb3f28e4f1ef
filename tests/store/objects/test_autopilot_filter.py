"""Which autopilots are listed, on both databases: labels, and what may be of a health."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from reconciler.control.runs import switches
from reconciler.core.manifest.model import AutopilotStatus
from reconciler.core.runs.condition import (
    Health,
    Signs,
    condition_of,
    last_worked,
    recent_occurrences,
)
from reconciler.core.runs.run import Completed, Failed, Reason
from reconciler.store.objects.autopilot_filter import AutopilotFilter
from reconciler.store.objects.overview import Overview, list_overviews
from tests.support.rig import Document, Rig, agent, autopilot, id_of, schedule
from tests.support.vandal import scribble

ODD = {'quo"te': "a", "do.t": "b", "$[0]": "c", "ü": "ß", "": "empty", "team": "core"}


def labelled(name: str, labels: dict[str, str]) -> Document:
    """An autopilot with labels."""
    actual = autopilot(name)
    return {**actual, "metadata": {**actual["metadata"], "labels": labels}}


def names(rig: Rig, where: AutopilotFilter) -> list[str]:
    """The names on the list."""
    return [entry.stored.key.name for entry in listed(rig, where)]


def listed(rig: Rig, where: AutopilotFilter) -> list[Overview]:
    """The list."""
    return rig.database.read(lambda tx: list_overviews(tx, where))


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        pytest.param((("team", "core"),), ["both", "odd"], id="a value"),
        pytest.param((("team", None),), ["both", "odd", "other"], id="any value"),
        pytest.param((("team", ""),), [], id="the empty value is a value"),
        pytest.param((("team", "core"), ("tier", "1")), ["both"], id="each must fit"),
        pytest.param((("core", None),), [], id="a value is no key"),
        *(pytest.param(((key, value),), ["odd"], id=f"key {key!r}") for key, value in ODD.items()
          if key != "team"),
    ],
)  # fmt: skip
def test_labels(rig: Rig, labels: tuple[tuple[str, str | None], ...], expected: list[str]) -> None:
    rig.apply(
        agent(),
        labelled("none", {}),
        labelled("both", {"team": "core", "tier": "1"}),
        labelled("odd", ODD),
        labelled("other", {"team": "sales"}),
    )
    assert names(rig, AutopilotFilter(labels=labels)) == expected


def judged(entry: Overview, now: datetime) -> Health:
    """The health by the rule itself."""
    signs = Signs(
        switches=entry.switches,
        due=entry.next_run_at,
        last=last_worked(entry.runs),
        occurrences=recent_occurrences(entry.runs, entry.missed),
    )
    return condition_of(signs, now).health


@pytest.fixture
def fleet(rig: Rig) -> Rig:
    """An autopilot of every health, and of several at once."""
    breaks = {"pauseAfterFailures": 1}
    rig.apply(
        agent(),
        autopilot("healthy"),
        autopilot("ran", schedule("0 9 * * *")),
        autopilot("paused", status="paused"),
        autopilot("archived", status="archived"),
        autopilot("switched-off", schedule()),
        autopilot("failed"),
        autopilot("mended"),
        autopilot("failing", **breaks),
        autopilot("failing-and-late", schedule(), **breaks),
        autopilot("late", schedule()),
        autopilot("skipping", schedule("*/10 * * * *"), limits={"perHour": 1}),
    )
    for name in ("failed", "mended", "failing", "failing-and-late"):
        rig.end(rig.launch(name), Failed(Reason.AGENT_FAILED, "no"))
    rig.end(rig.launch("mended"), Completed("yes"))
    now = rig.clock.now()
    rig.database.write(lambda tx: switches.pause(tx, id_of("switched-off"), "ada", None, now))
    rig.launch("skipping")
    for _ in range(3):
        rig.tick(minutes=10)
    rig.clock.advance(minutes=3)
    return rig


@pytest.mark.parametrize("status", [None, AutopilotStatus.ARCHIVED])
@pytest.mark.parametrize("health", Health)
def test_no_autopilot_of_a_health_is_left_out(
    fleet: Rig, health: Health, status: AutopilotStatus | None
) -> None:
    now = fleet.clock.now()
    everyone = listed(fleet, AutopilotFilter(status=status))
    expected = {entry.stored.id for entry in everyone if judged(entry, now) is health}
    actual = listed(fleet, AutopilotFilter(status=status, may_be=(health, now)))
    ids = {entry.stored.id for entry in actual}
    assert expected <= ids
    if health not in (Health.DEGRADED, Health.HEALTHY):
        assert ids == expected


def test_the_fleet_has_every_health(fleet: Rig) -> None:
    now = fleet.clock.now()
    everyone = listed(fleet, AutopilotFilter())
    actual = {entry.stored.key.name: judged(entry, now).value for entry in everyone}
    assert actual == {
        "healthy": "healthy",
        "ran": "healthy",
        "paused": "paused",
        "switched-off": "paused",
        "failed": "degraded",
        "mended": "healthy",
        "failing": "failing",
        "failing-and-late": "failing",
        "late": "late",
        "skipping": "degraded",
    }


def test_late_is_more_than_a_minute(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule("0 9 * * *")))
    due = listed(rig, AutopilotFilter())[0].next_run_at
    assert due is not None
    minute, microsecond = timedelta(minutes=1), timedelta(microseconds=1)
    assert names(rig, AutopilotFilter(may_be=(Health.LATE, due + minute))) == []
    assert names(rig, AutopilotFilter(may_be=(Health.LATE, due + minute + microsecond))) != []


@pytest.mark.parametrize("labels", [[1], "team", 5, None])
def test_labels_that_are_none_hide_no_other(rig: Rig, labels: Any) -> None:
    rig.apply(agent(), labelled("odd", ODD), labelled("both", {"team": "core"}))
    scribble(rig, "autopilot", "labels", labels, "odd")
    assert names(rig, AutopilotFilter(labels=(("team", "core"),))) == ["both"]
