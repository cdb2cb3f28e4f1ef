"""`kill -9` of a server while it tells people: nothing is lost, and a repeat has the same id."""

import json
from collections import Counter

from reconciler.core.notify.entry import AttemptResult, Entry, NotificationStatus
from reconciler.core.runs.run import Status
from reconciler.store.engine.database import Database
from reconciler.store.notify.lists import EntryFilter, attempts_of, find_entries
from tests.e2e.ledger import Ledger
from tests.support.eventually import eventually
from tests.support.hooks import hook_server
from tests.support.notifying import SECRET, tells
from tests.support.process import Site
from tests.support.rig import autopilot, schedule

NAMES = [f"a{number}" for number in range(12)]


def entries(site: Site) -> list[Entry]:
    """The outbox."""
    with Database.open(site.database) as database:
        return database.read(lambda tx: find_entries(tx, EntryFilter(), limit=10_000))


def repeated(site: Site, entry_id: str) -> list[AttemptResult]:
    """How the attempts of an entry ended."""
    with Database.open(site.database) as database:
        return [a.result for a in database.read(lambda tx: attempts_of(tx, entry_id))]


def test_what_a_killed_server_was_about_to_tell_is_told_by_the_next_one(here: Site) -> None:
    with hook_server() as hook:
        channel = {"webhook": hook.url, "secret": {"env": "RECONCILER_CHANNEL_SECRET"}}
        here.settings |= {
            "RECONCILER_CHANNELS": json.dumps({"oncall": channel}),
            "RECONCILER_CHANNEL_SECRET": SECRET,
            "RECONCILER_NOTIFY": json.dumps({"timeout": "2s"}),
        }
        pilots = [
            autopilot(name, schedule(None, every="1s"), notify=[tells("completed")])
            for name in NAMES
        ]
        here.write("all.yaml", here.agent(maxConcurrency=20), *pilots)
        hook.hangs = True
        server = here.serve()
        eventually(lambda: hook.arriving >= 4)
        server.kill()
        hook.hangs = False
        hook.released.set()
        first = eventually(lambda: Counter(hook.ids()))

        here.serve()
        eventually(lambda: {post.json["data"]["autopilot"] for post in hook.posted} == {*NAMES})
        eventually(lambda: all(Counter(hook.ids())[id_] > 1 for id_ in first))
        eventually(
            lambda: all(e.status is NotificationStatus.SENT for e in entries(here) if e.attempts)
        )
        for stopped in here.servers:
            if stopped.alive:
                stopped.terminate()

        outbox, ledger, posted = entries(here), Ledger(here), Counter(hook.ids())
        ended = {r.id for name in NAMES for r in ledger.runs(name) if r.status is Status.COMPLETED}
        assert Counter(entry.run_id for entry in outbox) == Counter(ended), "one for each end"
        assert set(posted) == {e.id for e in outbox if e.status is NotificationStatus.SENT}
        for id_, times in posted.items():
            if times > 1:
                assert repeated(here, id_)[0] in (AttemptResult.UNKNOWN, AttemptResult.FAILED)
