"""Deliveries over HTTP: listed, shown, downloaded, replayed; and the URL that they come to."""

import hashlib
import hmac
from typing import Any

import httpx
import pytest

from tests.support.rig import Rig, agent, autopilot, id_of, webhook
from tests.support.web import Web
from tests.web.conftest import Ask

SECRET = "s3cret"
WHEN = 'payload.ref == "main"'


def _hook(**more: Any) -> dict[str, Any]:
    signature = {"scheme": "github", "secrets": [{"env": "AUTOPILOT_SECRET_DEFAULT__CI"}]}
    return {**webhook(), "signature": signature, **more}


@pytest.fixture
def web(rig: Rig) -> Web:
    """A server with a webhook that filters."""
    rig.apply(agent(), autopilot("triage", _hook(when=WHEN), maxConcurrency=5))
    return Web(rig, secrets={"AUTOPILOT_SECRET_DEFAULT__CI": SECRET})


@pytest.fixture
def url_path(rig: Rig, web: Web) -> str:
    """The address that shows the webhook's URL."""
    return f"/v1/autopilots/{id_of('triage')}/triggers/{rig.triggers()['hook'].id}/url"


def _deliver(ask: Ask, url_path: str, body: bytes) -> httpx.Response:
    url = ask("GET", url_path).json()["url"]
    mac = hmac.digest(SECRET.encode(), body, hashlib.sha256).hex()
    headers = {"x-hub-signature-256": f"sha256={mac}", "content-type": "application/json"}
    return ask("POST", url.partition("8484")[2], content=body, headers=headers)


def test_the_url_that_is_shown_works(rig: Rig, url_path: str, ask: Ask) -> None:
    answer = ask("GET", url_path)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["url"].startswith("http://127.0.0.1:8484/v1/webhooks/whk_")
    assert _deliver(ask, url_path, b'{"ref": "main"}').status_code == 202


def test_only_webhooks_have_a_url(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot("triage", {"name": "call", "kind": "api"}))
    trigger = rig.triggers()["call"].id
    answer = ask("GET", f"/v1/autopilots/{id_of('triage')}/triggers/{trigger}/url")
    assert (answer.status_code, answer.json()["code"]) == (409, "not-a-webhook")


def test_a_delivery_is_listed_shown_and_downloaded(rig: Rig, url_path: str, ask: Ask) -> None:
    body = b'{"ref":   "main"}'
    made = _deliver(ask, url_path, body).json()
    (listed,) = ask("GET", "/v1/deliveries").json()["items"]
    shown = ask("GET", f"/v1/deliveries/{made['deliveryId']}").json()
    assert listed == {**shown, "bodyKept": None}
    assert (shown["verdict"], shown["runId"], shown["bodyKept"]) == (
        "accepted",
        made["runId"],
        True,
    )
    assert "x-hub-signature-256" not in shown["headers"]
    download = ask("GET", f"/v1/deliveries/{made['deliveryId']}/body")
    assert download.content == body
    assert download.headers["content-type"] == "application/octet-stream"
    assert download.headers["content-disposition"].startswith("attachment")


@pytest.mark.parametrize(
    ("params", "count"),
    [
        ({}, 2),
        ({"verdict": "ignored"}, 1),
        ({"workspace": "other"}, 0),
        ({"limit": "1"}, 1),
        ({"autopilotId": id_of("triage")}, 2),
        ({"autopilotId": id_of("triage"), "verdict": "ignored"}, 1),
        ({"autopilotId": id_of("nobody")}, 0),
    ],
)
def test_filters(rig: Rig, url_path: str, ask: Ask, params: dict[str, str], count: int) -> None:
    _deliver(ask, url_path, b'{"ref": "main"}')
    _deliver(ask, url_path, b'{"ref": "other"}')
    assert len(ask("GET", "/v1/deliveries", params=params).json()["items"]) == count


def test_a_replay_is_a_run_of_its_own(rig: Rig, url_path: str, ask: Ask) -> None:
    first = _deliver(ask, url_path, b'{"ref": "main"}').json()
    answer = ask("POST", f"/v1/deliveries/{first['deliveryId']}/replay")
    assert answer.status_code == 202
    run = answer.json()
    assert run["id"] != first["runId"]
    assert (run["source"], run["payload"]) == ("webhook", {"ref": "main"})
    newest = ask("GET", "/v1/deliveries").json()["items"][0]
    assert (newest["replayOf"], newest["runId"]) == (first["deliveryId"], run["id"])
    assert rig.runs()[-1].actor == "local"


def test_a_replay_under_a_key_is_made_once(rig: Rig, url_path: str, ask: Ask) -> None:
    first = _deliver(ask, url_path, b'{"ref": "main"}').json()
    other = _deliver(ask, url_path, b'{"ref": "main", "n": 2}').json()
    path, key = f"/v1/deliveries/{first['deliveryId']}/replay", {"Idempotency-Key": "once"}
    made = ask("POST", path, headers=key)
    rig.apply(agent(), autopilot("triage", _hook(enabled=False)))
    again = ask("POST", path, headers=key)
    assert (made.status_code, again.status_code) == (202, 202)
    assert again.json()["id"] == made.json()["id"]
    rig.apply(agent(), autopilot("triage", _hook(), maxConcurrency=9))
    news = ask("POST", path, headers={"Idempotency-Key": "twice"}).json()["id"]
    of_other = ask("POST", f"/v1/deliveries/{other['deliveryId']}/replay", headers=key)
    assert len({made.json()["id"], news, of_other.json()["id"]}) == 3
    assert len(rig.runs()) == 5
    rig.clock.advance(hours=73)
    assert ask("POST", path, headers=key).json()["id"] != made.json()["id"]


@pytest.mark.parametrize("key", ["", "two words", "x" * 256, "ü"])
def test_a_replay_under_a_malformed_key_is_refused(
    rig: Rig, url_path: str, ask: Ask, key: str
) -> None:
    made = _deliver(ask, url_path, b'{"ref": "main"}').json()
    path = f"/v1/deliveries/{made['deliveryId']}/replay"
    answer = ask("POST", path, headers={"Idempotency-Key": key.encode()})
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency-key-invalid")
    assert len(rig.runs()) == 1


def test_what_was_ignored_is_asked_again_by_todays_manifest(
    rig: Rig, url_path: str, ask: Ask
) -> None:
    _deliver(ask, url_path, b'{"ref": "other"}')
    (ignored,) = ask("GET", "/v1/deliveries").json()["items"]
    path = f"/v1/deliveries/{ignored['id']}/replay"
    refused = ask("POST", path)
    assert (refused.status_code, refused.json()["code"]) == (409, "filtered")
    rig.apply(agent(), autopilot("triage", _hook(when='payload.ref == "other"')))
    assert ask("POST", path).status_code == 202


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        pytest.param("UPDATE delivery SET body = NULL", "body-gone", id="the body is gone"),
        pytest.param("UPDATE delivery SET verdict = 'pong'", "not-replayable", id="a ping"),
        pytest.param("UPDATE delivery SET verdict = 'refused'", "not-replayable", id="refused"),
        pytest.param("UPDATE delivery SET verified = 0", "not-replayable", id="never verified"),
        pytest.param(
            "UPDATE autopilot_trigger SET removed_at = '2026-01-01T00:00:00.000000Z'",
            "trigger-removed", id="the trigger is gone",
        ),
        pytest.param(
            "UPDATE autopilot_trigger SET enabled = 0", "trigger-disabled", id="it is disabled"
        ),
        pytest.param(
            "UPDATE autopilot SET paused_at = '2026-01-01T00:00:00.000000Z'",
            "not-in-force", id="paused",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_replayed(
    rig: Rig, url_path: str, ask: Ask, statement: str, code: str
) -> None:
    made = _deliver(ask, url_path, b'{"ref": "main"}').json()
    rig.database.write(lambda tx: tx.exec_driver_sql(statement))
    answer = ask("POST", f"/v1/deliveries/{made['deliveryId']}/replay")
    assert (answer.status_code, answer.json()["code"]) == (409, code)
    assert len(rig.runs()) == 1


def test_a_body_that_is_no_longer_kept(rig: Rig, url_path: str, ask: Ask) -> None:
    made = _deliver(ask, url_path, b'{"ref": "main"}').json()
    rig.database.write(lambda tx: tx.exec_driver_sql("UPDATE delivery SET body = NULL"))
    answer = ask("GET", f"/v1/deliveries/{made['deliveryId']}/body")
    assert (answer.status_code, answer.json()["code"]) == (410, "body-gone")
