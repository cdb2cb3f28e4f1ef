"""An autopilot that has used most of its budget needs attention, alone and in lists."""

from pathlib import Path

from sqlalchemy import text

from reconciler.control.access.secrets import SecretStore
from reconciler.core.runs.condition import Condition, Health
from reconciler.core.runs.run import Completed
from reconciler.core.runs.usage import Usage
from reconciler.store.objects.autopilot_filter import AutopilotFilter
from reconciler.store.objects.overview import list_overviews
from reconciler.store.objects.roster import read_roster
from reconciler.web.models.autopilot import condition_at
from reconciler.web.pages.autopilots.moment import Moment
from reconciler.web.pages.autopilots.order import judge
from tests.support.rig import COOLDOWN, Rig, agent, autopilot, id_of

NO_SECRETS = SecretStore(Path("none"), {})


def _spent(rig: Rig) -> None:
    rig.apply(
        agent(),
        autopilot("dear", budget={"perDay": 1}),
        autopilot("cheap", budget={"perDay": 10}),
        autopilot("free"),
    )
    for name in ("dear", "cheap", "free"):
        rig.end(rig.launch(name), Completed("x", Usage(cost_micros=850_000)))


def _alone(rig: Rig, where: AutopilotFilter | None = None) -> dict[str, Condition]:
    entries = rig.database.read(lambda tx: list_overviews(tx, where or AutopilotFilter()))
    now = rig.clock.now()
    return {e.stored.key.name: condition_at(e, now, NO_SECRETS) for e in entries}


def test_it_is_degraded_alone_and_in_the_list(rig: Rig) -> None:
    _spent(rig)
    alone = _alone(rig)
    assert {name: each.health.value for name, each in alone.items()} == {
        "cheap": "healthy",
        "dear": "degraded",
        "free": "healthy",
    }
    assert alone["dear"].why == "85 % of its budget are used: $0.85 of budget.perDay, $1.00"
    entries = rig.database.read(lambda tx: read_roster(tx, AutopilotFilter(), rig.clock.now()))
    listed = judge(entries, Moment(rig.clock.now(), NO_SECRETS, COOLDOWN))
    assert {each.entry.name: each.condition for each in listed} == alone


def test_the_filter_leaves_none_out(rig: Rig) -> None:
    _spent(rig)
    where = AutopilotFilter(may_be=(Health.DEGRADED, rig.clock.now()))
    assert "dear" in _alone(rig, where)
    assert "free" not in _alone(rig, where)


def test_the_next_day_it_is_well_again(rig: Rig) -> None:
    _spent(rig)
    rig.clock.advance(days=1)
    assert _alone(rig)["dear"].health is Health.HEALTHY


def test_a_row_that_was_edited_by_hand_hides_no_other(rig: Rig) -> None:
    _spent(rig)
    broken = text("UPDATE autopilot SET spec = '{\"budget\": [1]}' WHERE id = :id")
    rig.database.write(lambda tx: tx.execute(broken, {"id": id_of("cheap")}))
    entries = rig.database.read(lambda tx: read_roster(tx, AutopilotFilter(), rig.clock.now()))
    assert {
        e.name for e in entries if e.remarks is not None and e.remarks.spending is not None
    } == {"dear"}
