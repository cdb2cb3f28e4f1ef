"""The roster judges as one autopilot alone is judged, on both databases."""

from datetime import timedelta
from pathlib import Path

from reconciler.control.access.secrets import SecretStore
from reconciler.core.manifest.trigger import TriggerKind
from reconciler.core.runs.condition import Health
from reconciler.store.objects.autopilot_filter import AutopilotFilter
from reconciler.store.objects.overview import list_overviews
from reconciler.store.objects.roster import read_roster
from reconciler.web.models.autopilot import condition_at
from reconciler.web.pages.autopilots.moment import Moment
from reconciler.web.pages.autopilots.order import Judged, Sort, in_order, judge
from tests.support.bad_day import TROUBLES, bad_day
from tests.support.rig import COOLDOWN, Rig, agent, autopilot, schedule, webhook

NO_SECRETS = SecretStore(Path("none"), {})


def judged(rig: Rig, where: AutopilotFilter | None = None) -> list[Judged]:
    """The list as the page has it."""
    moment = Moment(rig.clock.now(), SecretStore(Path("none"), {}), COOLDOWN)
    entries = rig.database.read(
        lambda tx: read_roster(tx, where or AutopilotFilter(), rig.clock.now(), with_next=True)
    )
    return judge(entries, moment)


def test_all_at_once_are_judged_as_each_alone(rig: Rig) -> None:
    bad_day(rig, healthy=5)
    now = rig.clock.now()
    alone = rig.database.read(lambda tx: list_overviews(tx, AutopilotFilter()))
    conditions = {o.stored.id: condition_at(o, now, NO_SECRETS) for o in alone}
    together = {each.entry.id: each.condition for each in judged(rig)}
    assert {id_: (c.health, c.since) for id_, c in together.items()} == {
        id_: (c.health, c.since) for id_, c in conditions.items()
    }
    healths = {each.entry.name: each.condition.health.value for each in judged(rig)}
    assert {name: healths[name] for name in TROUBLES} == TROUBLES


def test_the_order_is_worst_first_and_news_before_what_is_old(rig: Rig) -> None:
    bad_day(rig, healthy=5)
    names = [each.entry.name for each in in_order(judged(rig), Sort.WORST)]
    assert names[:2] == ["breaker-open", "never-fired"]
    assert set(names[:10]) == set(TROUBLES)
    assert names[2] == "always-busy"
    assert names[10:] == ["on-holiday", *sorted(names[11:])]


def test_what_will_not_run_stands_last_among_the_next(rig: Rig) -> None:
    rig.apply(
        agent(),
        autopilot("a-paused", schedule("0 9 * * *"), status="paused"),
        autopilot("by-hand"),
        autopilot("later", schedule("0 12 * * *")),
        autopilot("sooner", schedule("0 10 * * *")),
    )
    names = [each.entry.name for each in in_order(judged(rig), Sort.NEXT)]
    assert names == ["sooner", "later", "a-paused", "by-hand"]


def test_only_what_fits_is_read(rig: Rig) -> None:
    rig.apply(agent(), autopilot("clock", schedule()), autopilot("hook", webhook()))
    where = AutopilotFilter(trigger=TriggerKind.WEBHOOK)
    assert [each.entry.name for each in judged(rig, where)] == ["hook"]


def test_a_skipped_run_before_one_that_ran_is_no_trouble(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule("0 * * * *", catchUp="none")))
    rig.tick(hours=5, minutes=10)
    assert judged(rig)[0].condition.health is Health.DEGRADED
    rig.clock.advance(minutes=50)
    rig.tick()
    assert judged(rig)[0].condition.health is Health.HEALTHY
    assert judged(rig)[0].condition.since is None
    rig.clock.advance(hours=1, minutes=2)
    (late,) = judged(rig)
    assert late.condition.since == rig.clock.now() - timedelta(minutes=2)
