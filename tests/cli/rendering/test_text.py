"""Plans as text: the documented symbols and sentences, and nothing that can be forged."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.cli.rendering.text import render_drift_text, render_text
from reconciler.core.base.errors import Problem
from reconciler.core.manifest.state import Current
from reconciler.core.plan.drift import drift_of
from reconciler.core.plan.plan import Plan, make_plan
from reconciler.core.plan.report import (
    ChangeReport,
    FieldReport,
    PlanReport,
    PositionReport,
    SummaryReport,
    drift_report,
    report_of,
    report_of_problems,
)
from tests.support.strategies import HOSTILE, VALUES
from tests.support.worlds import (
    agent,
    archived,
    autopilot,
    current,
    declared,
    desired,
    row,
    schedule,
)

OTHER = "other"


def text_of(plan: Plan, **options: Any) -> str:
    """What is printed, without the digest."""
    return render_text(report_of(plan), digest=False, **options)


def test_every_kind_of_change() -> None:
    before = current(
        row(agent()),
        row(autopilot("edited", triggers=[schedule("weekdays"), schedule("old")], line=3)),
        row(autopilot("before")),
        row(autopilot("gone", line=12)),
        archived(autopilot("back")),
        row(agent("theirs"), source=OTHER),
    )
    wanted = desired(
        agent(),
        autopilot(
            "edited",
            line=3,
            concurrencyPolicy="queue",
            triggers=[schedule("weekdays", "0 10 * * MON"), {"name": "ci", "kind": "api"}],
        ),
        autopilot("after", former=["before"], title="Renamed"),
        autopilot("back", maxConcurrency=2),
        autopilot("fresh", labels={"team": "core"}, description="Read.\nLabel.\n"),
        agent("theirs"),
    )
    assert (
        text_of(make_plan(before, wanted))
        == """\
> Autopilot default/after  autopilots/after.yaml:1  (was before)
    ~ spec.title: "A title" -> "Renamed"

^ Autopilot default/back  autopilots/back.yaml:1
    ~ spec.maxConcurrency: 1 -> 2

~ Autopilot default/edited  autopilots/edited.yaml:3
    ~ spec.concurrencyPolicy: "skip" -> "queue"
    ~ spec.triggers[weekdays].cron: "0 9 * * *" -> "0 10 * * MON"  # At 10:00, only on Monday
    + spec.triggers[ci]:
      + kind: "api"
    - spec.triggers[old]: {kind: "schedule", cron: "0 9 * * *"}

+ Autopilot default/fresh  autopilots/fresh.yaml:1
    + metadata.labels.team: "core"
    + spec.title: "A title"
    + spec.description:
      + Read.
      + Label.
    + spec.assignee.type: "agent"
    + spec.assignee.id: "bot"

- Autopilot default/gone  autopilots/gone.yaml:12

! Agent default/theirs  agents/theirs.yaml:1  (owned-elsewhere)
    source 'other' owns it; remove it there, or give this one another name

Plan: 1 to create, 1 to update, 1 to move, 1 to archive, 1 to restore, 1 blocked.
"""
    )


def test_the_documented_sentence_and_the_digest() -> None:
    plan = make_plan(
        current(row(agent()), row(agent("gone"))), desired(agent(limit=2), agent("new"))
    )
    *_, sentence, digest = render_text(report_of(plan)).splitlines()
    assert sentence == "Plan: 1 to create, 1 to update, 0 to move, 1 to archive."
    assert digest == f"Digest: {plan.digest}"


def test_no_changes() -> None:
    plan = make_plan(current(row(agent())), desired(agent()))
    assert render_text(report_of(plan)) == (
        f"No changes. Everything is as the manifests say.\nDigest: {plan.digest}\n"
    )


def test_what_follows_is_said_below_the_fields() -> None:
    runtime = {"type": "aegis", "workDir": "/srv/a"}
    bolder = {**runtime, "permissionMode": "acceptEdits"}
    before = current(
        row(declared("Agent", "bot", {"runtime": runtime})),
        row(autopilot("x", triggers=[schedule("a", timezone="Europe/Rome")])),
        row(autopilot("y", triggers=[{"name": "api", "kind": "api"}])),
        row(autopilot("z", triggers=[schedule("a", "0 9 1 * *")])),
    )
    wanted = desired(
        declared("Agent", "bot", {"runtime": bolder}),
        autopilot("x", triggers=[schedule("a", "0 9 * * MON", timezone="Europe/Rome")]),
        autopilot("y", triggers=[{"name": "api", "kind": "api"}], limits={"perDay": 20}),
        autopilot("z", triggers=[schedule("a", "0 9 1 * *")], status="paused"),
    )
    assert (
        text_of(make_plan(before, wanted, at=datetime(2026, 11, 28, 12, tzinfo=UTC)))
        == """\
~ Agent default/bot  agents/bot.yaml:1
    + spec.runtime.permissionMode: "acceptEdits"
    + newly reaches permission modes: acceptEdits

~ Autopilot default/x  autopilots/x.yaml:1
    ~ spec.triggers[a].cron: "0 9 * * *" -> "0 9 * * MON"  # At 09:00, only on Monday
      next runs:
      - 2026-11-29T09:00:00+01:00  2026-11-29T08:00:00Z  a
        2026-11-30T09:00:00+01:00  2026-11-30T08:00:00Z  a
      - 2026-12-01T09:00:00+01:00  2026-12-01T08:00:00Z  a
      + 2026-12-07T09:00:00+01:00  2026-12-07T08:00:00Z  a
      + 2026-12-14T09:00:00+01:00  2026-12-14T08:00:00Z  a
    + newly reaches permission modes: acceptEdits

~ Autopilot default/y  autopilots/y.yaml:1
    + spec.limits.perDay: 20
      most runs a day: unbounded -> 20
    + newly reaches permission modes: acceptEdits

~ Autopilot default/z  autopilots/z.yaml:1
    ~ spec.status: "active" -> "paused"
      next runs:
      - 2026-12-01T09:00:00+00:00  2026-12-01T09:00:00Z  a
      - 2027-01-01T09:00:00+00:00  2027-01-01T09:00:00Z  a
      - 2027-02-01T09:00:00+00:00  2027-02-01T09:00:00Z  a
      + none
      most runs a day: 1 -> 0
    + newly reaches permission modes: acceptEdits

Plan: 0 to create, 4 to update, 0 to move, 0 to archive.
"""
    )


def test_long_texts_are_line_diffs() -> None:
    lines = [f"line {number}" for number in range(12)]
    before = autopilot("x", description="\n".join(lines))
    after = autopilot("x", description="\n".join([*lines[:6], "new", *lines[7:]]))
    assert (
        text_of(make_plan(current(row(before)), desired(after)))
        == """\
~ Autopilot default/x  autopilots/x.yaml:1
    ~ spec.description:
      @@ -4,7 +4,7 @@
        line 3
        line 4
        line 5
      - line 6
      + new
        line 7
        line 8
        line 9

Plan: 0 to create, 1 to update, 0 to move, 0 to archive.
"""
    )


def test_drift_is_put_back_and_said() -> None:
    before = current(row(agent(), now=agent(limit=9)))
    assert (
        text_of(make_plan(before, desired(agent())))
        == """\
~ Agent default/bot  agents/bot.yaml:1  (drifted)
    ~ spec.maxConcurrency: 9 -> 10

Plan: 0 to create, 1 to update, 0 to move, 0 to archive.
"""
    )


def test_drift_that_stays_is_listed() -> None:
    before = current(row(agent(), now=agent(limit=9)))
    assert (
        text_of(make_plan(before, desired(agent()), self_heal=False))
        == """\
Drifted, and left as it is:
~ Agent default/bot  agents/bot.yaml:1
    ~ spec.maxConcurrency: 10 -> 9

No changes. Everything is as the manifests say.
"""
    )


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param(
            [row(agent())], "No drift. Every object is as it was last applied.\n", id="none"
        ),
        pytest.param(
            [row(agent(), now=agent(limit=9))],
            "~ Agent default/bot  agents/bot.yaml:1\n    ~ spec.maxConcurrency: 10 -> 9\n\n"
            "Drift: 1 object is not as last applied.\n",
            id="one",
        ),
    ],
)
def test_drift(rows: list[Any], expected: str) -> None:
    assert render_drift_text(drift_report(drift_of(current(*rows)))) == expected


def test_problems_stand_alone() -> None:
    problem = Problem("a.yaml", 3, 5, "spec.title", "is missing", "field-missing")
    whole = Problem("b.yaml", 1, 1, "", "is empty", "file-empty")
    assert (
        render_text(report_of_problems("r1", [whole, problem]))
        == """\
a.yaml:3:5: spec.title: is missing [field-missing]
b.yaml:1:1: is empty [file-empty]
2 problems found.
"""
    )


def test_colours_are_the_only_difference() -> None:
    plan = make_plan(current(row(agent("gone"))), desired(agent(), autopilot("x")))
    plain, coloured = text_of(plan), text_of(plan, color=True)
    assert "\x1b[32m+ Agent default/bot" in coloured
    assert "\x1b[31m- Agent default/gone" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


def test_nobody_can_forge_a_line_or_steer_the_terminal() -> None:
    evil = "x\n\nPlan: 0 to create\x1b[2J\u202e\r- Agent default/bot  a.yaml:1"
    wanted = autopilot("x", title="\x1b]0;\x07", description=evil, labels={"a\nb": evil})
    wanted = replace(wanted, origin=replace(wanted.origin, path="a\nPlan: 7 to create.yaml"))
    shown = text_of(make_plan(Current(), desired(wanted)))
    assert "+ Autopilot default/x  a\\x0aPlan: 7 to create.yaml:1\n" in shown
    assert "      + Plan: 0 to create\\x1b[2J\\u202e\\x0d- Agent default/bot  a.yaml:1\n" in shown
    assert len([line for line in shown.splitlines() if line.startswith("Plan: ")]) == 1


positions = st.one_of(
    st.none(),
    st.builds(PositionReport, path=HOSTILE, line=st.integers(), column=st.integers()),
)
changes = st.builds(
    ChangeReport,
    action=st.sampled_from(["create", "update", "move", "archive", "restore", "else"]),
    kind=HOSTILE,
    workspace=HOSTILE,
    name=HOSTILE,
    position=positions,
    fields=st.lists(
        st.builds(FieldReport, path=HOSTILE, before=VALUES, after=VALUES), max_size=3
    ).map(tuple),
)


@given(st.lists(changes, max_size=3), HOSTILE)
def test_any_report_is_shown_in_printable_lines(actual: list[ChangeReport], digest: str) -> None:
    report = PlanReport(
        digest=digest, revision="r", summary=SummaryReport(create=1), changes=tuple(actual)
    )
    for shown in (render_text(report), render_text(report, color=True)):
        plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
        lines = plain.split("\n")
        assert all(line.isprintable() for line in lines)
        ours = [line for line in lines if line and not line.startswith("    ")]
        assert len(ours) == len(actual) + 1 + bool(digest)
