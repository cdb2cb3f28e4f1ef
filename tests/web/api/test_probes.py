"""Health for machines: alive is alive, and what is not ready says what it waits for."""

from typing import Any

import pytest

from reconciler.core.base.errors import Unavailable
from reconciler.store.engine.database import Database
from reconciler.web.http.context import Readiness
from tests.support.web import Web
from tests.web.conftest import Ask


def test_ready(ask: Ask) -> None:
    answer = ask("GET", "/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "waitingFor": []})
    assert answer.headers["cache-control"] == "no-store"


def test_before_the_first_reconcile(web: Web, ask: Ask) -> None:
    web.more["readiness"] = lambda: Readiness(False, ("the first reconcile",))
    answer = ask("GET", "/readyz")
    waiting = {"status": "waiting", "waitingFor": ["the first reconcile"]}
    assert (answer.status_code, answer.json()) == (503, waiting)
    assert ask("GET", "/healthz").json() == {"status": "ok"}


def test_without_a_database(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_self: Database, _fn: Any) -> None:
        raise Unavailable("the database does not answer")

    monkeypatch.setattr(Database, "read", gone)
    answer = ask("GET", "/readyz")
    assert (answer.status_code, answer.json()["waitingFor"]) == (503, ["database"])
    assert ask("GET", "/healthz").status_code == 200
    listed = ask("GET", "/v1/runs")
    assert (listed.status_code, listed.json()["code"]) == (503, "unavailable")
    assert listed.headers["retry-after"] == "5"


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_may_ask_with_head(ask: Ask, path: str) -> None:
    assert ask("HEAD", path).status_code == 200
