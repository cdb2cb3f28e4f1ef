"""What the database says after real servers have worked on it."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta

from reconciler.core.manifest.trigger import TriggerKind
from reconciler.core.runs.run import Run, Source, Status
from reconciler.store.engine.database import Database, Tx
from reconciler.store.objects.triggers import list_triggers
from reconciler.store.runs.lists import RunFilter, list_runs
from reconciler.store.webhooks.deliveries import Delivery, list_deliveries
from tests.support.accounts import books, occurrences, wrong_entries
from tests.support.process import Site
from tests.support.rig import id_of
from tests.support.sender import Sender

ALL = 1_000_000
_OPEN = (Status.PENDING, Status.SESSION_CREATED, Status.RUNNING)
_ONE = timedelta(microseconds=1)


class Ledger:
    """Reads the database of a site; one connection for each query, as servers come and go."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def runs(self, name: str = "triage") -> list[Run]:
        """The runs of an autopilot, oldest first."""
        where = RunFilter(autopilot_id=id_of(name))
        with Database.open(self.site.database) as database:
            return database.read(lambda tx: list_runs(tx, where, limit=ALL))[::-1]

    def run(self, run_id: str, name: str = "triage") -> Run:
        """One run of an autopilot."""
        return next(run for run in self.runs(name) if run.id == run_id)

    def completed(self, name: str = "triage", source: Source = Source.SCHEDULE) -> list[Run]:
        """The runs that ended well."""
        return [
            run
            for run in self.runs(name)
            if run.status is Status.COMPLETED and run.source is source
        ]

    def open_runs(self, name: str = "triage") -> list[Run]:
        """The runs that have not ended."""

        def query(tx: Tx) -> list[Run]:
            wanted = [RunFilter(autopilot_id=id_of(name), status=status) for status in _OPEN]
            return [run for where in wanted for run in list_runs(tx, where, limit=ALL)]

        with Database.open(self.site.database) as database:
            return database.read(query)

    def deliveries(self) -> list[Delivery]:
        """All deliveries."""
        with Database.open(self.site.database) as database:
            return database.read(lambda tx: list_deliveries(tx, limit=ALL))

    def wrong(self, name: str, since: datetime) -> list[str]:
        """What the books of an autopilot's schedules have twice or not at all.

        Every occurrence counts from `since`, when the schedules were there for certain, up to the
        one that is next.
        """

        def query(tx: Tx) -> list[str]:
            triggers = list_triggers(tx, id_of(name))
            names = [trigger.name for trigger in triggers if trigger.kind == TriggerKind.SCHEDULE]
            return [line for trigger in names for line in _wrong(tx, name, trigger, since)]

        with Database.open(self.site.database) as database:
            return database.read(query)


def _wrong(tx: Tx, autopilot: str, name: str, since: datetime) -> list[str]:
    trigger, runs, intervals = books(tx, id_of(autopilot), name)
    moments = [run.scheduled_for for run in runs if run.scheduled_for]
    moments += [moment for one in intervals for moment in (one.first, one.last) if moment]
    if not moments:
        return [f"{autopilot}/{name}: nothing is in the books"]
    upcoming = trigger.next_run_at
    until = upcoming - _ONE if upcoming else max(moments)
    due = occurrences(trigger, min(since, min(moments) - _ONE), until)
    return [f"{autopilot}/{name}: {line}" for line in wrong_entries(due, runs, intervals)]


def ends_of(runs: Iterable[Run]) -> str:
    """How many runs ended for each reason, or well, for people."""
    counts = Counter(run.reason or run.status for run in runs)
    return ", ".join(f"{number} {reason}" for reason, number in counts.most_common())


def scheduled_twice(runs: list[Run]) -> list[datetime]:
    """Moments at which one trigger has more than one run."""
    times = Counter((run.trigger_id, run.scheduled_for) for run in runs if run.scheduled_for)
    return [moment for (_, moment), count in times.items() if count > 1 and moment]


def assert_every_delivery_is_there_once(ledger: Ledger, sender: Sender) -> None:
    """What was answered with 202 is in the database; what was not is there once at most."""
    assert sender.refused == []
    assert sender.accepted
    stored = Counter(one.provider_id for one in ledger.deliveries())
    assert {key: stored[key] for key in sender.answered if stored[key] != 1} == {}
    assert set(stored.values()) == {1}
    run_of = {one.provider_id: one.run_id for one in ledger.deliveries()}
    assert {key: run_of[key] for key in sender.answered} == sender.answered
    runs = Counter(run.delivery_id for run in ledger.runs("hooks"))
    assert set(runs.values()) == {1}
    assert {run.id for run in ledger.runs("hooks")} == set(run_of.values())
