"""Who may: roles, workspaces, and nothing of what a token does not reach."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Literal

import httpx
import psutil
import pytest

from reconciler.control.access.tokens import Tokens
from reconciler.core.access.roles import GRANTS, Role
from reconciler.core.access.token_hash import token_hash
from reconciler.core.base.identity import trigger_id as trigger_id_of
from reconciler.core.runs.run import Run
from reconciler.core.webhooks.token import webhook_token
from reconciler.settings import Settings
from reconciler.store.objects.overview import get_overview
from reconciler.store.runs.lists import RunFilter, list_runs
from reconciler.web.app import OPERATIONS
from reconciler.web.http.endpoint import AnyOperation
from reconciler.web.pages.app import _CHANGES, _EDITORS, _FORMS
from tests.support.rig import KEY, Rig, agent, autopilot, id_of, schedule, webhook
from tests.support.sockets import connected, read_answer
from tests.support.web import Web
from tests.web.conftest import Ask

TOKENS = {role: f"rct_{role.value}{'x' * 40}" for role in Role}
_WRITING = (*_CHANGES, *_EDITORS, *_FORMS)
LIMITED = f"rct_limited{'x' * 40}"
OLD = f"rct_old{'x' * 40}"


def _file() -> str:
    entries = [
        f'[[token]]\nname = "{role.value}"\nrole = "{role.value}"\nsha256 = "{token_hash(token)}"\n'
        for role, token in TOKENS.items()
    ]
    entries.append(
        f'[[token]]\nname = "limited"\nrole = "admin"\nworkspaces = ["red"]\n'
        f'sha256 = "{token_hash(LIMITED)}"\n'
    )
    entries.append(
        f'[[token]]\nname = "old"\nrole = "admin"\nexpires = 2026-11-02T08:00:00Z\n'
        f'sha256 = "{token_hash(OLD)}"\n'
    )
    return "\n".join(entries)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A tokens file with a token of each role."""
    path = tmp_path / "tokens.toml"
    path.write_text(_file())
    return path


@pytest.fixture
def web(rig: Rig, path: Path) -> Web:
    """A server that asks for tokens."""
    return Web(rig, authority=Tokens(path, rig.clock))


def _as(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


UNKNOWN = "00000000-0000-4000-8000-000000000000"


def _address(operation: AnyOperation) -> str:
    return operation.path.replace("{id}", UNKNOWN).replace("{triggerId}", UNKNOWN)


ENDLESS = {"/v1/events"}
BY_ITS_OWN_TOKEN = {"/v1/runs/{id}/hint"}
"""No API token opens these, whatever its role (tests/web/api/test_hints.py)."""
GUARDED = [
    pytest.param(one, id=f"{one.method} {one.path}")
    for one in OPERATIONS
    if one.role is not None and one.path not in ENDLESS | BY_ITS_OWN_TOKEN
]


@pytest.mark.parametrize("operation", GUARDED)
def test_each_role_opens_what_it_is_for_and_nothing_else(web: Web, operation: AnyOperation) -> None:
    async def statuses() -> dict[Role | None, int]:
        async with web.client() as client:
            send = [operation.method, _address(operation)]
            found: dict[Role | None, int] = {None: (await client.request(*send)).status_code}
            for role, token in TOKENS.items():
                found[role] = (await client.request(*send, headers=_as(token))).status_code
            return found

    found = asyncio.run(statuses())
    assert found.pop(None) == 401
    for role, status in found.items():
        assert operation.role is not None
        refused = operation.role not in GRANTS[role] if role else True
        assert (status == 403) == refused, f"{role}: {status}"
        assert status != 401


WITH_BODY = [
    pytest.param(one.method, _address(one), id=f"{one.method} {one.path}")
    for one in OPERATIONS
    if one.method not in ("GET", "HEAD") and one.role is not None
] + [
    pytest.param("POST", path, id=f"POST {path}")
    for path in [*(re.sub(r"{\w+}", UNKNOWN, path) for path, _ in _WRITING), "/logout"]
]  # fmt: skip


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="none"),
        pytest.param(_as("rct_unknown"), id="unknown"),
        pytest.param(_as(OLD), id="run out"),
        pytest.param(_as(""), id="empty"),
        pytest.param({"Authorization": f"Basic {TOKENS[Role.ADMIN]}"}, id="another scheme"),
        pytest.param(_as("a.b.c"), id="like a JWT, without rules"),
        pytest.param(_as("x" * 20_000), id="endless"),
        pytest.param(_as(f"{TOKENS[Role.ADMIN]}x"), id="one letter more"),
        pytest.param(_as(token_hash(TOKENS[Role.ADMIN])), id="the hash itself"),
    ],
)
def test_bad_credentials(ask: Ask, headers: dict[str, str]) -> None:
    answer = ask("GET", "/v1/runs", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("credential", [None, f"rct_{'z' * 43}", f"rct_run_{'z' * 43}", "a.b.c"])
@pytest.mark.parametrize(("method", "address"), WITH_BODY)
def test_no_body_is_read_before_its_sender_is_known(
    web: Web, method: str, address: str, credential: str | None
) -> None:
    async def body() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    async def send() -> httpx.Response:
        headers = {"Content-Type": "application/json", **(_as(credential) if credential else {})}
        async with web.client() as client:
            return await client.request(method, address, content=body(), headers=headers)

    answer = asyncio.run(send())
    assert answer.status_code in (401, 404) or answer.headers.get("location") == "/login"


def test_requests_that_nobody_is_known_to_have_sent_take_no_memory(web: Web) -> None:
    path = f"/v1/runs/{UNKNOWN}/complete"
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8000000\r\n\r\n".encode()
    with web.served() as url, ExitStack() as stack:
        before = psutil.Process().memory_info().rss
        for _ in range(40):
            client = stack.enter_context(connected(url))
            client.sendall(head)
            assert read_answer(client).status_code == 401
            with suppress(OSError):
                for _ in range(30):
                    client.sendall(b"x" * 65536)
        assert psutil.Process().memory_info().rss - before < 60_000_000


def test_two_authorization_headers_are_refused(ask: Ask) -> None:
    pair = [("Authorization", f"Bearer {TOKENS[role]}") for role in (Role.VIEWER, Role.ADMIN)]
    assert ask("GET", "/v1/runs", headers=httpx.Headers(pair)).status_code == 401


def test_what_needs_no_token(ask: Ask) -> None:
    for path in ("/healthz", "/readyz", "/openapi.json", "/docs"):
        assert ask("GET", path).status_code == 200, path


def test_the_callers_name_goes_into_history(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot())
    headers = _as(TOKENS[Role.OPERATOR])
    ask("POST", f"/v1/autopilots/{id_of('triage')}/run", headers=headers)
    (run,) = rig.runs()
    assert run.actor == "operator"


def test_a_token_that_is_removed_opens_nothing_after_a_reload(
    web: Web, path: Path, ask: Ask
) -> None:
    headers = _as(TOKENS[Role.VIEWER])
    assert ask("GET", "/v1/runs", headers=headers).status_code == 200
    path.write_text("")
    assert ask("GET", "/v1/runs", headers=headers).status_code == 200
    assert isinstance(web.authority, Tokens)
    web.authority.reload()
    assert ask("GET", "/v1/runs", headers=headers).status_code == 401


# Workspaces


@pytest.fixture
def two(rig: Rig) -> dict[str, str]:
    """An autopilot in workspace red and one in blue, both with a run; their ids."""
    manifests = []
    for colour in ("red", "blue"):
        for one in (agent(), autopilot(f"{colour}-one", schedule())):
            one["metadata"]["workspace"] = colour
            manifests.append(one)
    rig.apply(*manifests)
    rig.tick(minutes=1)
    return {colour: id_of(f"{colour}-one", colour) for colour in ("red", "blue")}


LISTS = [
    one
    for one in OPERATIONS
    if one.method == "GET" and "{" not in one.path and one.role and one.path not in ENDLESS
]


NEEDED = {
    "/v1/preview": {"cron": "* * * * *"},
    "/v1/audit": {"from": "2026-11-01T00:00:00Z", "to": "2026-11-04T00:00:00Z"},
}
"""Parameters that must be given."""


@pytest.mark.parametrize("operation", [pytest.param(one, id=one.path) for one in LISTS])
def test_a_limited_token_sees_nothing_of_others(
    rig: Rig, two: dict[str, str], ask: Ask, operation: AnyOperation
) -> None:
    rig.database.write(lambda tx: tx.exec_driver_sql("UPDATE autopilot SET title = 'drifted'"))
    params = NEEDED.get(operation.path, {})
    shown = ask("GET", operation.path, headers=_as(LIMITED), params=params)
    everything = ask("GET", operation.path, headers=_as(TOKENS[Role.ADMIN]), params=params)
    assert shown.status_code == everything.status_code == 200
    assert "blue" not in shown.text
    assert two["blue"] not in shown.text


def test_a_limited_token_sees_its_own(two: dict[str, str], ask: Ask) -> None:
    for path in ("/v1/autopilots", "/v1/runs", "/v1/agents", "/v1/export"):
        found = ask("GET", path, headers=_as(LIMITED)).json()["items"]
        assert len(found) >= 1, path


def test_a_mixed_revision_is_shown_without_what_is_in_it(two: dict[str, str], ask: Ask) -> None:
    (shown,) = ask("GET", "/v1/revisions", headers=_as(LIMITED)).json()["items"]
    assert (shown["partial"], shown["counts"], shown["problems"]) == (True, {}, [])
    (whole,) = ask("GET", "/v1/revisions", headers=_as(TOKENS[Role.VIEWER])).json()["items"]
    assert (whole["partial"], whole["counts"]["create"]) == (False, 4)


BY_ID = [
    one
    for one in OPERATIONS
    if "{id}" in one.path and one.role is not None and one.path not in BY_ITS_OWN_TOKEN
]


@pytest.mark.parametrize(
    "operation", [pytest.param(one, id=f"{one.method} {one.path}") for one in BY_ID]
)
def test_what_a_token_does_not_reach_is_as_if_it_were_not_there(
    rig: Rig, two: dict[str, str], ask: Ask, operation: AnyOperation
) -> None:
    (run,) = _runs(rig, two["blue"])
    trigger_id = trigger_id_of(two["blue"], "clock")
    id_ = run.id if "/runs/" in operation.path else two["blue"]
    address = operation.path.replace("{id}", id_).replace("{triggerId}", trigger_id)
    body = {"leaseToken": "lease_x", **({"status": "failed"} if "complete" in address else {})}
    sent = (
        {"json": body} if "leaseToken" in operation.body.model_json_schema()["properties"] else {}
    )
    answer = ask(operation.method, address, headers=_as(LIMITED), **sent)
    assert answer.status_code == 404, answer.text
    assert _runs(rig, two["blue"]) == [run]


def test_deliveries_of_others_are_as_if_they_were_not_there(rig: Rig, web: Web, ask: Ask) -> None:
    hook, spaces = webhook(), ("red", "blue")
    documents = [one for _ in spaces for one in (agent(), autopilot("triage", hook))]
    for number, one in enumerate(documents):
        one["metadata"] = {**one["metadata"], "workspace": spaces[number // 2]}
    rig.apply(*documents)
    ids = {}
    for space in spaces:
        trigger = trigger_id_of(id_of("triage", space), "hook")
        path = f"/v1/webhooks/{webhook_token(KEY, trigger, 1)}"
        ids[space] = ask("POST", path, json={"n": space}).json()["deliveryId"]
    listed = ask("GET", "/v1/deliveries", headers=_as(LIMITED)).json()["items"]
    assert [one["id"] for one in listed] == [ids["red"]]
    for method, tail in (("GET", ""), ("GET", "/body"), ("POST", "/replay")):
        own = ask(method, f"/v1/deliveries/{ids['red']}{tail}", headers=_as(LIMITED))
        other = ask(method, f"/v1/deliveries/{ids['blue']}{tail}", headers=_as(LIMITED))
        assert own.status_code in (200, 202)
        assert (other.status_code, other.json()["code"]) == (404, "not-found")
    assert len(_runs(rig, id_of("triage", "blue"))) == 1


def _runs(rig: Rig, autopilot_id: str) -> list[Run]:
    where = RunFilter(autopilot_id=autopilot_id)
    return rig.database.read(lambda tx: list_runs(tx, where))


def test_writing_into_another_workspace_is_refused(two: dict[str, str], ask: Ask) -> None:
    manifest = autopilot("new")
    manifest["metadata"]["workspace"] = "blue"
    answer = ask("POST", "/v1/autopilots", headers=_as(LIMITED), json=manifest)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


# The dashboard


def _form(page: httpx.Response) -> str:
    return page.text.partition('name="form_token" value="')[2].partition('"')[0]


async def _sign_in(client: httpx.AsyncClient, token: str) -> httpx.Response:
    page = await client.get("/login")
    form = {"form_token": _form(page), "token": token, "next": "/runs"}
    return await client.post("/login", data=form)


def _visit(web: Web, visit: Any) -> None:
    async def run() -> None:
        async with web.client() as client:
            await visit(client)

    asyncio.run(run())


def test_pages_ask_to_sign_in(ask: Ask) -> None:
    for path, next_ in (
        ("/", "/login"),
        ("/runs", "/login?next=/runs"),
        ("/runs?status=failed&live=yes", "/login?next=/runs%3Fstatus%3Dfailed%26live%3Dyes"),
        ("/runs?autopilot=%0d%0aX: y", "/login?next=/runs%3Fautopilot%3D%250d%250aX%3A%2520y"),
    ):
        answer = ask("GET", path)
        assert (answer.status_code, answer.headers["location"]) == (303, next_)


def test_signing_in_and_out(web: Web) -> None:
    async def visit(client: httpx.AsyncClient) -> None:
        answer = await _sign_in(client, TOKENS[Role.VIEWER])
        assert (answer.status_code, answer.headers["location"]) == (303, "/runs")
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert TOKENS[Role.VIEWER] not in cookie
        page = await client.get("/")
        assert page.status_code == 200
        assert (await client.get("/v1/runs")).status_code == 200
        out = await client.post("/logout", data={"form_token": _form(page)})
        assert (out.status_code, out.headers["location"]) == (303, "/login")
        client.cookies.clear()
        assert (await client.get("/")).status_code == 303

    _visit(web, visit)


def test_cookies_of_other_servers_do_not_sign_out(web: Web) -> None:
    """All servers of localhost share them, and some write what no standard allows."""

    async def visit(client: httpx.AsyncClient) -> None:
        answer = await _sign_in(client, TOKENS[Role.VIEWER])
        ours = answer.headers["set-cookie"].partition(";")[0]
        client.cookies.clear()
        for other in ('a={"b": [1, 2]}', 'a="b', "a b", "=", "a[b]=c", "reconciler_session=x"):
            for header in (f"{other}; {ours}", f"{ours}; {other}"):
                page = await client.get("/", headers={"Cookie": header})
                assert page.status_code == 200, header
                out = {"form_token": _form(page)}
                answer = await client.post("/login", data=out, headers={"Cookie": header})
                assert answer.status_code == 401, "its forms are of the same session"

    _visit(web, visit)


def test_who_signs_out_ends_one_session(web: Web) -> None:
    """Also where another one of the same token began in the same second."""

    async def visit(client: httpx.AsyncClient) -> None:
        await _sign_in(client, TOKENS[Role.VIEWER])
        first = dict(client.cookies)
        await _sign_in(client, TOKENS[Role.VIEWER])
        await client.post("/logout", data={"form_token": _form(await client.get("/"))})
        client.cookies.clear()
        client.cookies.update(first)
        assert (await client.get("/")).status_code == 200

    _visit(web, visit)


def test_forms_of_another_workspace_are_as_if_it_were_not_there(
    rig: Rig, two: dict[str, str], web: Web
) -> None:
    """Each form, with the ids of the other one, of a session that may press all of them."""
    (run,) = _runs(rig, two["blue"])
    before = rig.database.read(lambda tx: get_overview(tx, two["blue"]))

    async def visit(client: httpx.AsyncClient) -> None:
        await _sign_in(client, LIMITED)
        fields = {"form_token": _form(await client.get("/")), "change": "disable"}
        for path, _ in _WRITING:
            id_ = run.id if path.startswith("/runs/") else two["blue"]
            address = path.replace("{id}", id_)
            address = address.replace("{trigger_id}", trigger_id_of(two["blue"], "clock"))
            if "{" in address or address in ("/autopilots/new", "/sources/poll"):
                continue
            answer = await client.post(address, data=fields)
            assert answer.status_code == 404, address
            assert "blue-one" not in answer.text

    _visit(web, visit)
    assert _runs(rig, two["blue"]) == [run]
    assert rig.database.read(lambda tx: get_overview(tx, two["blue"])) == before


def test_a_session_only_reads_the_api(web: Web) -> None:
    async def visit(client: httpx.AsyncClient) -> None:
        await _sign_in(client, TOKENS[Role.ADMIN])
        path = f"/v1/autopilots/{id_of('triage')}/run"
        assert (await client.post(path)).status_code == 401

    _visit(web, visit)


@pytest.mark.parametrize("token", ["rct_wrong", OLD, "", token_hash(TOKENS[Role.ADMIN])])
def test_a_wrong_token_does_not_sign_in(web: Web, token: str) -> None:
    async def visit(client: httpx.AsyncClient) -> None:
        answer = await _sign_in(client, token)
        assert answer.status_code == 401
        assert "set-cookie" not in answer.headers
        assert not token or token not in answer.text

    _visit(web, visit)


def test_a_session_ends_with_its_token_and_with_time(rig: Rig, web: Web, path: Path) -> None:
    async def visit(client: httpx.AsyncClient) -> None:
        await _sign_in(client, TOKENS[Role.VIEWER])
        rig.clock.advance(hours=11, minutes=59)
        assert (await client.get("/")).status_code == 200
        rig.clock.advance(minutes=1)
        assert (await client.get("/")).status_code == 303
        await _sign_in(client, TOKENS[Role.VIEWER])
        empty(path)
        assert (await client.get("/")).status_code == 303

    def empty(path: Path) -> None:
        path.write_text("")
        assert isinstance(web.authority, Tokens)
        web.authority.reload()

    _visit(web, visit)


@pytest.mark.parametrize(
    "cookie",
    [
        pytest.param(f"9999999999.{token_hash(TOKENS[Role.ADMIN])}.x", id="no signature"),
        pytest.param(f"9999999999.{token_hash(TOKENS[Role.ADMIN])}", id="cut"),
        pytest.param("..", id="empty parts"),
        pytest.param("\u00fc", id="not ASCII"),
    ],
)
def test_a_cookie_that_we_did_not_make(ask: Ask, cookie: str) -> None:
    headers = {"Cookie": f"reconciler_session={cookie}".encode()}
    assert ask("GET", "/", headers=headers).status_code == 303


def test_forms_need_their_page(rig: Rig, web: Web) -> None:
    rig.apply(agent(), autopilot())
    path = f"/autopilots/{id_of('triage')}"

    async def visit(client: httpx.AsyncClient) -> None:
        await _sign_in(client, TOKENS[Role.OPERATOR])
        form = _form(await client.get(path))
        for data, headers in (
            ({}, {}),
            ({"form_token": "x"}, {}),
            ({"form_token": form}, {"Origin": "https://evil.example"}),
            ({"form_token": form}, {"Sec-Fetch-Site": "cross-site"}),
            ({"form_token": form}, {"Sec-Fetch-Site": "same-site"}),
        ):
            answer = await client.post(f"{path}/run", data=data, headers=headers)
            assert answer.status_code == 403
        assert rig.runs() == []
        answer = await client.post(f"{path}/run", data={"form_token": form})
        assert answer.status_code == 303
        assert len(rig.runs()) == 1

    _visit(web, visit)


def test_a_viewer_sees_no_buttons_and_no_url_and_can_press_none(rig: Rig, web: Web) -> None:
    hook = {"name": "hook", "kind": "webhook", "signature": {"scheme": "none"}}
    rig.apply(agent(), autopilot("triage", hook))
    path = f"/autopilots/{id_of('triage')}"

    async def visit(client: httpx.AsyncClient) -> None:
        await _sign_in(client, TOKENS[Role.VIEWER])
        page = await client.get(path)
        assert "whk_" not in page.text
        assert page.headers["cache-control"] == "private, no-cache"
        assert "Run now" not in page.text
        answer = await client.post(f"{path}/run", data={"form_token": _form(page)})
        assert answer.status_code == 403
        client.cookies.clear()
        await _sign_in(client, TOKENS[Role.OPERATOR])
        page = await client.get(path)
        assert "whk_" in page.text
        assert page.headers["cache-control"] == "no-store", "a secret stays on no disk"
        assert "Run now" in page.text

    _visit(web, visit)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        pytest.param("/runs", "/runs", id="a page"),
        pytest.param("//evil.example", "/", id="another host"),
        pytest.param("/\\evil.example", "/", id="another host, as browsers read it"),
        pytest.param("https://evil.example", "/", id="a URL"),
        pytest.param("/\nSet-Cookie: a=b", "/", id="a header"),
    ],
)
def test_signing_in_leads_nowhere_else(web: Web, target: str, expected: str) -> None:
    async def visit(client: httpx.AsyncClient) -> None:
        page = await client.get("/login")
        data = {"form_token": _form(page), "token": TOKENS[Role.VIEWER], "next": target}
        answer = await client.post("/login", data=data)
        assert answer.headers["location"] == expected

    _visit(web, visit)


def test_problems_never_repeat_a_credential(ask: Ask) -> None:
    answer = ask("GET", "/v1/runs", headers=_as("rct_this-is-not-known"))
    assert "rct_" not in json.dumps(answer.json())


def test_over_tls_the_cookie_is_of_this_host_only(rig: Rig, path: Path) -> None:
    settings = Settings(public_url="https://reconciler.example")
    web = Web(rig, settings=settings, authority=Tokens(path, rig.clock))

    async def cookies() -> tuple[str, int, int]:
        async with web.client(base_url="https://reconciler.example") as client:
            answer = await _sign_in(client, TOKENS[Role.VIEWER])
            name, _, value = answer.headers["set-cookie"].partition(";")[0].partition("=")
            client.cookies.clear()
            right = await client.get("/v1/runs", headers={"Cookie": f"{name}={value}"})
            plain = {"Cookie": f"{name.removeprefix('__Host-')}={value}"}
            return (
                answer.headers["set-cookie"],
                right.status_code,
                (await client.get("/v1/runs", headers=plain)).status_code,
            )

    cookie, right, plain = asyncio.run(cookies())
    assert cookie.startswith("__Host-reconciler_session=")
    assert "; Path=/;" in cookie
    assert cookie.endswith("; Secure")
    assert (right, plain) == (200, 401)


@pytest.mark.parametrize(("access", "status"), [("open", 200), ("viewer", 401)])
def test_metrics_are_open_or_for_viewers(
    rig: Rig, path: Path, access: Literal["open", "viewer"], status: int
) -> None:
    web = Web(rig, settings=Settings(metrics_access=access), authority=Tokens(path, rig.clock))

    async def statuses() -> tuple[int, int, int]:
        async with web.client() as client:
            viewer, worker = _as(TOKENS[Role.VIEWER]), _as(TOKENS[Role.WORKER])
            answers = [await client.get("/metrics", headers=h) for h in ({}, viewer, worker)]
            nobody, reader, other = (answer.status_code for answer in answers)
            return nobody, reader, other

    assert asyncio.run(statuses()) == (status, 200, 200 if status == 200 else 403)
