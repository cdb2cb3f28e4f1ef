"""Forms sent twice, without scripts: a double click, or a reload while the answer is slow."""

from collections.abc import Iterator
from typing import NamedTuple

import httpx
import pytest

from reconciler.core.runs.run import Completed
from reconciler.store.engine.database import Database
from tests.support.clock import FakeClock
from tests.support.forms import form_of
from tests.support.rig import Rig, agent, autopilot, id_of, webhook
from tests.support.web import BASE
from tests.web.conftest import Ask

TRIAGE = f"/autopilots/{id_of('triage')}"


@pytest.fixture
def rig(database_url: str) -> Iterator[Rig]:
    """A system on each kind of database."""
    clock = FakeClock()
    with Database.open(database_url, clock=clock.now) as database:
        system = Rig(database, clock)
        yield system
        system.close()


class Press(NamedTuple):
    """A form of a page that was loaded once; each call sends it as it was rendered."""

    ask: Ask
    action: str
    fields: dict[str, str]

    def __call__(self, **changed: str) -> httpx.Response:
        """Send it, with what somebody has changed in it."""
        data = self.fields | changed
        return self.ask("POST", self.action, data=data, headers={"Origin": BASE})


def loaded(ask: Ask, page: str, action: str) -> Press:
    """The form of a page, which is loaded now."""
    return Press(ask, action, form_of(ask("GET", page).text, action).fields)


def delivered(rig: Rig, ask: Ask) -> str:
    """The id of a delivery that was accepted."""
    path = f"/v1{TRIAGE}/triggers/{rig.triggers()['hook'].id}/url"
    url = ask("GET", path).json()["url"]
    return str(ask("POST", url.partition("8484")[2], json={"n": 1}).json()["deliveryId"])


def test_a_form_that_starts_a_run_starts_one_however_often_it_is_sent(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot("triage", webhook(), maxConcurrency=9))
    delivery = f"/deliveries/{delivered(rig, ask)}"
    (first,) = rig.runs()
    rig.end(first, Completed("ok"))
    for page, action in (
        (TRIAGE, f"{TRIAGE}/run"),
        (f"/runs/{first.id}", f"/runs/{first.id}/rerun"),
        (delivery, f"{delivery}/replay"),
    ):
        before = len(rig.runs())
        press = loaded(ask, page, action)
        shown = [press().headers["location"] for _ in range(2)]
        assert shown[0] == shown[1] == f"/runs/{rig.runs()[-1].id}", action
        assert len(rig.runs()) == before + 1, action
        assert loaded(ask, page, action)().headers["location"] != shown[0], action
        assert len(rig.runs()) == before + 2, action


def test_what_was_changed_in_a_form_that_was_sent_is_asked_about(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot("triage", maxConcurrency=9))
    press = loaded(ask, TRIAGE, f"{TRIAGE}/run")
    press(payload='{"n": 1}')
    answer = press(payload='{"n": 2}')
    assert answer.status_code == 409
    assert "This form has started a run already, with other values" in answer.text
    assert len(rig.runs()) == 1
    again = Press(ask, press.action, form_of(answer.text, press.action).fields)
    assert again().status_code == 303
    assert [run.payload for run in rig.runs()] == [{"n": 1}, {"n": 2}]


def test_a_browser_keeps_no_page_with_the_key_of_a_run(rig: Rig, ask: Ask) -> None:
    """On the way back to it, its key would be that of the run that it has started."""
    rig.apply(agent(), autopilot("triage", webhook()))
    delivery = delivered(rig, ask)
    (run,) = rig.runs()
    rig.end(run, Completed("ok"))
    for page in (TRIAGE, f"/runs/{run.id}", f"/deliveries/{delivery}"):
        answer = ask("GET", page)
        assert 'name="idempotency_key"' in answer.text
        assert answer.headers["cache-control"] == "no-store"


def test_a_key_that_no_page_has_made_is_refused(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot())
    press = loaded(ask, TRIAGE, f"{TRIAGE}/run")
    for key in ("two words", "x" * 256, "ü"):
        assert press(idempotency_key=key).status_code == 400
    assert rig.runs() == []


def test_what_has_happened_by_the_second_press_is_shown(rig: Rig, ask: Ask) -> None:
    """A run that waits ends at the first press: the second finds nothing to cancel."""
    rig.apply(agent(), autopilot("triage", concurrencyPolicy="queue"))
    rig.launch()
    waiting = rig.launch()
    page = f"/runs/{waiting.id}"
    press = loaded(ask, page, f"{page}/cancel")
    assert [press().headers.get("location") for _ in range(2)] == [page, page]
    assert rig.run_of(waiting.id).reason == "cancelled"
