"""Plans as a pull-request comment: found again, never too long, and nothing breaks out of it."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.cli.rendering.markdown import MAX_CHARACTERS, marker, render_markdown
from reconciler.core.base.errors import Problem
from reconciler.core.plan.plan import make_plan
from reconciler.core.plan.report import (
    BlockedReport,
    ChangeReport,
    FieldReport,
    PlanReport,
    PositionReport,
    SummaryReport,
    report_of,
    report_of_problems,
)
from tests.support.strategies import HOSTILE
from tests.support.worlds import agent, autopilot, current, desired, row, schedule


def test_a_comment() -> None:
    before = current(row(agent()), row(autopilot("x", triggers=[])))
    wanted = desired(agent(limit=3), autopilot("x", description="Use ```fences```\nhere"))
    plan = make_plan(before, wanted)
    assert (
        render_markdown(report_of(plan), "platform")
        == f"""\
<!-- reconciler-plan:platform -->
### Reconciler plan

**Plan: 0 to create, 2 to update, 0 to move, 0 to archive.**

<details><summary><code>~ Agent default/bot</code> <code>agents/bot.yaml:1</code></summary>

```diff
- spec.maxConcurrency: 10
+ spec.maxConcurrency: 3
```

</details>

<details><summary><code>~ Autopilot default/x</code> <code>autopilots/x.yaml:1</code></summary>

````diff
  spec.description:
@@ -0,0 +1,3 @@
+   Use ```fences```
+   here
+   \\ no line break at the end
````

</details>

<sub>Digest: <code>{plan.digest}</code></sub>
"""
    )


def test_a_comment_says_what_follows() -> None:
    before = current(row(agent()), row(autopilot("x", triggers=[schedule("a")])))
    wanted = desired(agent(), autopilot("x", triggers=[schedule("a", "0 9 * * MON-FRI")]))
    plan = make_plan(before, wanted, at=datetime(2026, 11, 27, 9, tzinfo=UTC))
    assert """
```diff
- spec.triggers[a].cron: "0 9 * * *"
+ spec.triggers[a].cron: "0 9 * * MON-FRI"  # At 09:00, Monday through Friday
  next runs:
-   2026-11-28T09:00:00+00:00  2026-11-28T09:00:00Z  a
-   2026-11-29T09:00:00+00:00  2026-11-29T09:00:00Z  a
    2026-11-30T09:00:00+00:00  2026-11-30T09:00:00Z  a
+   2026-12-01T09:00:00+00:00  2026-12-01T09:00:00Z  a
+   2026-12-02T09:00:00+00:00  2026-12-02T09:00:00Z  a
```
""" in render_markdown(report_of(plan))


def test_no_changes() -> None:
    plan = make_plan(current(row(agent())), desired(agent()))
    lines = render_markdown(report_of(plan)).splitlines()
    assert lines[0] == "<!-- reconciler-plan:default -->"
    assert "No changes. Everything is as the manifests say." in lines


def test_problems_blocked_and_drift_stand_in_parts_of_their_own() -> None:
    before = current(row(agent("theirs"), source="other"), row(agent(), now=agent(limit=9)))
    plan = make_plan(before, desired(agent("theirs"), agent()), self_heal=False)
    shown = render_markdown(report_of(plan))
    assert "<summary><code>! Agent default/theirs</code>" in shown
    assert "\n```\nsource 'other' owns it;" in shown
    assert "<summary><code>drifted: Agent default/bot</code>" in shown
    problem = Problem("a.yaml", 3, 5, "spec.title", "is missing", "field-missing")
    shown = render_markdown(report_of_problems("r", [problem]))
    assert "**1 problem found.** Nothing will be applied." in shown
    assert "\n```\na.yaml:3:5: spec.title: is missing [field-missing]\n```\n" in shown


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param("team/platform-1", "<!-- reconciler-plan:team/platform-1 -->", id="a name"),
        pytest.param("a-->b", "<!-- reconciler-plan:a-%2D%3Eb -->", id="an end of the comment"),
        pytest.param("a---b", "<!-- reconciler-plan:a-%2D-b -->", id="hyphens"),
        pytest.param("ä\n", "<!-- reconciler-plan:%C3%A4%0A -->", id="other characters"),
    ],
)
def test_the_marker_stays_one_comment(source: str, expected: str) -> None:
    assert marker(source) == expected
    assert "--" not in marker(source)[4:-3]


def report(*changes: Any, blocked: Any = ()) -> PlanReport:
    return PlanReport(
        digest="d" * 64,
        revision="r",
        summary=SummaryReport(update=len(changes)),
        changes=changes,
        blocked=tuple(blocked),
    )


def change(name: str = "x", path: str = "a.yaml", **field: Any) -> ChangeReport:
    position = PositionReport(path=path, line=1, column=1)
    fields = (FieldReport(**{"path": "spec.description", "before": "", "after": "", **field}),)
    return ChangeReport(
        action="update", kind="Agent", workspace="w", name=name, position=position, fields=fields
    )


@pytest.mark.parametrize(
    ("changes", "left_out"),
    [
        pytest.param([change(after="x" * 70_000 + "\n")], "1 of 1", id="one that is too long"),
        pytest.param(
            [change("big", after="y" * 70_000 + "\n"), change("small", after="z")],
            "1 of 2",
            id="a short one after one that is too long",
        ),
        pytest.param(
            [change(f"a{number}", after="x" * 500 + "\n") for number in range(3000)],
            None,
            id="many",
        ),
        pytest.param(
            [change(after="\U0001f600" * 40_000 + "\n")], "1 of 1", id="characters that count twice"
        ),
        pytest.param([change(path="p" * 70_000)], "1 of 1", id="a path that is too long"),
    ],
)
def test_a_comment_is_cut_and_says_so(changes: list[ChangeReport], left_out: str | None) -> None:
    shown = render_markdown(report(*changes))
    assert len(shown.encode("utf-16-le")) // 2 <= MAX_CHARACTERS
    assert f"**Plan: 0 to create, {len(changes)} to update" in shown
    assert "d" * 64 in shown
    assert re.search(rf"\*\*Cut\*\*: {left_out or '[0-9]+ of 3000'} parts are not shown", shown)
    assert shown.count("<details>") == shown.count("</details>")


def test_the_room_is_used() -> None:
    many = [change(f"a{number}", after="x" * 500 + "\n") for number in range(3000)]
    assert len(render_markdown(report(*many))) > MAX_CHARACTERS - 2000


def outside_of_fences(shown: str) -> str:
    """What is Markdown and HTML: fences are left out, ending where CommonMark ends them."""
    remaining, fence = [], ""
    for line in shown.split("\n"):
        run = re.match(r" {0,3}(`{3,})([^`]*)$", line)
        if fence:
            closes = run and len(run[1]) >= len(fence) and not run[2].strip()
            fence = "" if closes else fence
        elif run:
            fence = run[1]
        else:
            remaining.append(line)
    assert not fence, "a fence was left open"
    return "\n".join(remaining)


texts = st.one_of(
    HOSTILE,
    st.lists(
        st.sampled_from(["```", "`````", "~~~", "</details>", "-->", "@team", "\n", "    ", "x"]),
        max_size=8,
    ).map("".join),
)
changes = st.builds(change, name=texts, path=texts, before=texts, after=texts)
blocked = st.builds(
    BlockedReport, kind=texts, workspace=texts, name=texts, code=texts, message=texts
)


@given(st.lists(changes, max_size=3), st.lists(blocked, max_size=2), texts)
def test_nothing_breaks_out(actual: list[Any], stopped: list[Any], source: str) -> None:
    shown = render_markdown(report(*actual, blocked=stopped), source)
    assert len(shown.encode("utf-16-le")) // 2 <= MAX_CHARACTERS
    outside = outside_of_fences(shown)
    parts = len(actual) + len(stopped)
    assert outside.count("<details>") == outside.count("</details>") == parts
    assert "@" not in outside
    assert outside.count("<!--") == outside.count("-->") == 1
    assert len(re.findall(r"<(?!/?(?:details|summary|code|sub)>|!--)", outside)) == 0
    assert all(line.isprintable() for line in shown.split("\n"))
