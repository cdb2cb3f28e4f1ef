"""Behind a real nginx and below a path: links, styles, redirects, webhooks and events."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from reconciler.core.access.token_hash import token_hash
from tests.support import patient
from tests.support.nginx import nginx
from tests.support.ports import free_port
from tests.support.process import Serving, Site
from tests.support.rig import autopilot, webhook

TOKEN = f"rct_{'a' * 43}"
AUTHORIZATION = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(params=["kept", "stripped"])
def front(
    request: pytest.FixtureRequest, sqlite_site: Site, tmp_path: Path
) -> Iterator[tuple[Site, Serving, str]]:
    """A server below `/ops` of an nginx that passes the path on, or takes it away."""
    port, behind = free_port(), free_port()
    slash = "/" if request.param == "stripped" else ""
    tokens = tmp_path / "tokens.toml"
    tokens.write_text(f'[[token]]\nname = "a"\nrole = "admin"\nsha256 = "{token_hash(TOKEN)}"\n')
    sqlite_site.settings |= {
        "RECONCILER_PUBLIC_URL": f"http://127.0.0.1:{port}/ops",
        "RECONCILER_TRUSTED_PROXIES": "127.0.0.1",
        "RECONCILER_TOKENS_FILE": str(tokens),
    }
    sqlite_site.write("all.yaml", sqlite_site.agent(), autopilot("hooks", webhook()))
    with nginx(tmp_path / "nginx", port, f"http://127.0.0.1:{behind}{slash}") as url:
        yield sqlite_site, sqlite_site.serve(behind), url


def test_a_person_signs_in_and_every_link_leads_somewhere(
    front: tuple[Site, Serving, str],
) -> None:
    _, _, url = front
    with patient.Client() as browser:
        answer = browser.get(f"{url}/")
        assert (answer.status_code, answer.headers["location"]) == (303, "/ops/login")
        page = browser.get(f"{url}/login").text
        field = re.findall(r'name="form_token" value="([^"]+)"', page)[0]
        answer = browser.post(f"{url}/login", data={"token": TOKEN, "form_token": field})
        assert (answer.status_code, answer.headers["location"]) == (303, "/ops/")
        assert "; Path=/ops;" in answer.headers["set-cookie"]
        page = browser.get(f"{url}/").text
        links = set(re.findall(r'(?:href|src)="([^"#]+)"', page))
        assert any(link.startswith("/ops/static/") for link in links)
        assert any(link.startswith("/ops/autopilots/") for link in links)
        for link in links:
            shown = browser.get(str(httpx.URL(url).join(link)))
            assert shown.status_code == 200, link
        assert set(re.findall(r'action="([^"]+)"', page)) <= {"/ops/", "/ops/logout"}
        field = re.findall(r'name="form_token" value="([^"]+)"', page)[0]
        answer = browser.post(f"{url}/logout", data={"form_token": field})
        assert answer.headers["location"] == "/ops/login"


def test_webhooks_come_in_and_their_runs_are_found(front: tuple[Site, Serving, str]) -> None:
    site, _, url = front
    hook = site.cli("webhook", "url", "hooks/hook").stdout.strip()
    assert hook.startswith(f"{url}/v1/webhooks/whk_")
    answer = patient.post(hook, json={"n": 1})
    assert answer.status_code == 202, answer.text
    place = str(httpx.URL(url).join(answer.headers["location"]))
    assert patient.get(place, headers=AUTHORIZATION).json()["id"] == answer.json()["runId"]


def test_clients_are_told_where_the_api_is(front: tuple[Site, Serving, str]) -> None:
    _, _, url = front
    assert patient.get(f"{url}/openapi.json").json()["servers"] == [{"url": "/ops"}]


def test_a_bad_sender_is_slowed_down_by_its_own_address(front: tuple[Site, Serving, str]) -> None:
    site, _, url = front
    hook = site.cli("webhook", "url", "hooks/hook").stdout.strip()
    unknown = f"{url}/v1/webhooks/whk_{'a' * 43}"
    # Another address than the proxy's own, which is trusted.
    with patient.Client(transport=httpx.HTTPTransport(local_address="127.0.0.2")) as sender:
        numbers, statuses = iter(range(250)), list[int]()
        while 429 not in statuses:  # the slower it asks, the more it may ask
            made_up = {"X-Forwarded-For": f"198.51.100.{next(numbers)}"}
            statuses.append(sender.post(unknown, headers=made_up).status_code)
    # nginx appends the address that it sees: what a client writes itself counts for nothing.
    assert statuses[:20] == [404] * 20
    assert {*statuses[20:-1]} <= {404}
    assert patient.post(hook, json={}).status_code == 202


def test_events_come_as_they_happen(front: tuple[Site, Serving, str]) -> None:
    site, _, url = front
    hook = site.cli("webhook", "url", "hooks/hook").stdout.strip()
    with patient.stream("GET", f"{url}/v1/events", headers=AUTHORIZATION) as stream:
        lines = stream.iter_lines()
        assert next(lines).startswith(":")
        run = patient.post(hook, json={}).json()["runId"]
        data = next(line for line in lines if line.startswith("data") and run in line)
    assert json.loads(data.removeprefix("data: "))["autopilot"] == "hooks"
