"""What waits for agents and squads, on both databases."""

from reconciler.core.runs.queue import Queue
from reconciler.store.runs.backlog import Backlog, read_backlogs
from tests.support.rig import Rig, agent, autopilot, manifest


def test_admitted_runs_without_an_agent_are_counted_by_their_queue(rig: Rig) -> None:
    squad = manifest("Squad", "team", {"members": ["bot"]})
    theirs = autopilot("theirs", assignee={"type": "squad", "id": "team"}, maxConcurrency=5)
    rig.apply(agent(maxConcurrency=1), squad, autopilot("mine", maxConcurrency=5), theirs)
    first = rig.clock.now()
    rig.launch("mine")
    rig.clock.advance(minutes=1)
    for name in ("mine", "theirs", "theirs"):
        rig.launch(name)
    backlogs = rig.database.read(read_backlogs)
    assert backlogs[Queue("default", "agent", "bot")] == Backlog(2, first)
    assert backlogs[Queue("default", "squad", "team")].waiting == 2
    assert rig.database.read(lambda tx: read_backlogs(tx, frozenset({"other"}))) == {}
