"""`context: [lastCompleted]`: a run is told what the last good run left, whatever came between."""

from typing import Any

from reconciler.core.runs.run import Completed, Failed, Reason, Run
from tests.support.rig import Document, Rig, agent, autopilot, schedule


def declared(**spec: Any) -> tuple[Document, Document]:
    return agent(), autopilot("triage", schedule(), context=["lastCompleted"], **spec)


def last_of(rig: Rig, run: Run) -> Any:
    return rig.run_of(run.id).context["lastCompleted"]


def complete(rig: Rig, result: Any = "all labelled") -> Run:
    (run,) = rig.tick(minutes=1).runs
    assert rig.end(run, Completed(result))
    return run


def test_the_first_run_is_told_that_there_was_none(rig: Rig) -> None:
    rig.apply(*declared())
    (run,) = rig.tick(minutes=1).runs
    assert last_of(rig, run) is None


def test_the_last_good_one_counts_not_the_last_one(rig: Rig) -> None:
    rig.apply(*declared())
    good = complete(rig)
    (bad,) = rig.tick(minutes=1).runs
    rig.end(bad, Failed(Reason.AGENT_FAILED, "no", "half done"))
    (run,) = rig.tick(minutes=1).runs
    assert last_of(rig, run) == {
        "triggeredAt": "2026-11-02T08:01:00Z",
        "completedAt": "2026-11-02T08:01:00Z",
        "result": "all labelled",
    }
    assert rig.run_of(good.id).completed_at is not None


def test_a_run_that_waited_is_told_of_the_one_before_it(rig: Rig) -> None:
    rig.apply(*declared(concurrencyPolicy="queue"))
    (first,) = rig.tick(minutes=1).runs
    (second,) = rig.tick(minutes=1).runs
    assert rig.run_of(second.id).context is None
    rig.end(first, Completed("the first"))
    assert last_of(rig, second)["result"] == "the first"


def test_it_stays_what_it_was_while_others_complete(rig: Rig) -> None:
    rig.apply(*declared(maxConcurrency=2))
    complete(rig, "one")
    (run,) = rig.tick(minutes=1).runs
    complete(rig, "two")
    assert last_of(rig, run)["result"] == "one"


def test_a_worker_gets_it_with_the_prompt(rig: Rig) -> None:
    rig.apply(*declared(description="Label the new issues."))
    complete(rig, {"labelled": [7]})
    rig.launch(payload={"n": 8})
    rig.round()
    (held,) = rig.claim()
    assert held.prompt.startswith("Label the new issues.")
    assert '"labelled": [\n    7\n  ]' in held.prompt
    assert held.prompt.index("untrusted-last-result") < held.prompt.index("untrusted-payload")


def test_who_did_not_ask_is_told_nothing(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule()))
    complete(rig)
    (run,) = rig.tick(minutes=1).runs
    assert rig.run_of(run.id).context is None
