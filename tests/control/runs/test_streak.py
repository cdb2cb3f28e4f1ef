"""A failing streak through the whole system: its runs, its commit, its author, what is shown."""

from datetime import timedelta
from typing import Any

from reconciler.control.runs.explain import Retained, explain
from reconciler.core.base.identity import Revision
from reconciler.core.runs.run import Completed, Failed, Outcome, Reason
from reconciler.core.runs.streak import Streak
from reconciler.store.objects.overview import get_overview
from tests.support.rig import COOLDOWN, Rig, agent, autopilot, id_of

GOOD, BAD, WORSE = "a" * 40, "b" * 40, "c" * 40
FAILED = Failed(Reason.AGENT_FAILED, "it cannot")


def apply(rig: Rig, commit: str, author: str, **spec: Any) -> None:
    """Apply a commit that makes `triage` so."""
    rig.apply(
        agent(),
        autopilot(**spec),
        revision=Revision(commit, f"{author} <x@example.org>", "A change", rig.clock.now()),
    )


def ended(rig: Rig, outcome: Outcome, times: int = 1) -> list[str]:
    """Start and end runs; their ids."""
    ids = []
    for _ in range(times):
        rig.clock.advance(minutes=1)
        run = rig.launch(force=True)
        rig.end(run, outcome)
        ids.append(run.id)
    return ids


def streak(rig: Rig) -> Streak | None:
    """What the overview says."""
    overview = rig.database.read(lambda tx: get_overview(tx, id_of("triage")))
    assert overview is not None
    return overview.streak


def test_the_first_commit_of_a_streak_is_named_with_its_author(rig: Rig) -> None:
    apply(rig, GOOD, "Ada")
    ended(rig, Completed("ok"))
    assert streak(rig) is None
    apply(rig, BAD, "Bob", title="Broken")
    first, _ = ended(rig, FAILED, 2)
    apply(rig, WORSE, "Cleo", title="Still broken")
    ended(rig, FAILED)
    found = streak(rig)
    assert found is not None
    assert (found.run_id, found.commit, found.author) == (first, BAD, "Bob <x@example.org>")
    assert (found.failures, found.revert) == (3, f"git revert {BAD}")
    ended(rig, Completed("ok"))
    assert streak(rig) is None


def test_a_manifest_that_worked_before_is_not_blamed(rig: Rig) -> None:
    apply(rig, GOOD, "Ada")
    ended(rig, Completed("ok"))
    ended(rig, FAILED)
    found = streak(rig)
    assert found is not None
    assert (found.commit, found.revert) == (GOOD, None)


def test_a_streak_is_followed_over_many_pages(rig: Rig) -> None:
    apply(rig, GOOD, "Ada", pauseAfterFailures=0)
    ended(rig, Completed("ok"))
    apply(rig, BAD, "Bob", pauseAfterFailures=0, title="Broken")
    ids = ended(rig, FAILED, 45)
    found = streak(rig)
    assert found is not None
    assert (found.run_id, found.failures) == (ids[0], 45)


def test_why_says_since_when_it_fails(rig: Rig) -> None:
    apply(rig, GOOD, "Ada")
    ended(rig, Completed("ok"))
    apply(rig, BAD, "Bob", title="Broken")
    (first,) = ended(rig, FAILED)
    now, retained = rig.clock.now(), Retained(COOLDOWN, timedelta(days=90))
    steps = rig.database.read(lambda tx: explain(tx, id_of("triage"), now, now, retained))
    (step,) = [step for step in steps if step.verdict == "failing"]
    assert step.run == first
    assert step.why.endswith(
        f"under revision {BAD} by Bob <x@example.org>; `git revert {BAD}` undoes it"
    )
