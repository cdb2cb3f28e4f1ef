"""What people were told of, over the API: lists, the log, and who sees what."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from pathlib import Path

import httpx
import pytest

from reconciler.control.access.tokens import Tokens
from reconciler.control.notify.channel import Delivery, Sent
from reconciler.control.notify.channels import channels_of
from reconciler.control.runs.launch import Order
from reconciler.core.access.token_hash import token_hash
from reconciler.core.notify.message import Message
from reconciler.core.notify.routing import Defaults
from reconciler.core.runs.run import Completed, Failed, Outcome, Reason
from reconciler.notify_settings import ChannelSettings, Place
from reconciler.store.notify.outbox import note_revision, using
from reconciler.web.http.context import TRIALS_AT_ONCE
from tests.support.forms import form_of
from tests.support.hooks import HookServer, hook_server
from tests.support.notifying import outbox, send, tells, webhook_to
from tests.support.rig import Rig, agent, autopilot, id_of
from tests.support.web import Web
from tests.web.conftest import Ask


@pytest.fixture
def hook() -> Iterator[HookServer]:
    """A receiver of webhooks."""
    with hook_server() as server:
        yield server


@pytest.fixture(autouse=True)
def told(rig: Rig) -> None:
    """A failure in workspace red, then a success in blue, then a source's revision."""
    documents = []
    for space in ("red", "blue"):
        pair = [agent(), autopilot("triage", notify=[tells("failed", "completed")])]
        for document in pair:
            document["metadata"]["workspace"] = space
        documents += pair
    rig.apply(*documents)
    ends: dict[str, Outcome] = {
        "red": Failed(Reason.AGENT_FAILED, "no"),
        "blue": Completed("done"),
    }
    for space, outcome in ends.items():
        rig.clock.advance(seconds=1)
        rig.end(rig.launcher.launch(Order(autopilot_id=id_of("triage", space))), outcome)
    rig.clock.advance(seconds=1)
    rig.database.prepare = using(Defaults(revision_failed=("oncall",)))
    rig.database.write(lambda tx: note_revision(tx, "team", 1, {"source": "team"}, rig.clock.now()))


def test_notifications_are_listed_newest_first_and_paged(ask: Ask) -> None:
    first = ask("GET", "/v1/notifications?limit=2").json()
    assert [item["kind"] for item in first["items"]] == ["revision_failed", "completed"]
    second = ask("GET", f"/v1/notifications?limit=2&cursor={first['nextCursor']}").json()
    assert [item["kind"] for item in second["items"]] == ["failed"]
    assert second["nextCursor"] is None


@pytest.mark.parametrize(
    ("query", "kinds"),
    [
        pytest.param("workspace=red", ["failed"], id="workspace"),
        pytest.param("kind=completed", ["completed"], id="kind"),
        pytest.param("channel=nobody", [], id="channel"),
        pytest.param("status=sent", [], id="status"),
        pytest.param("workspace=blue&kind=failed", [], id="two"),
    ],
)
def test_filters(ask: Ask, query: str, kinds: list[str]) -> None:
    items = ask("GET", f"/v1/notifications?{query}").json()["items"]
    assert [item["kind"] for item in items] == kinds


def test_a_notification_shows_each_attempt(rig: Rig, ask: Ask, hook: HookServer) -> None:
    hook.status = 503
    send(rig, {"oncall": webhook_to(hook)})
    hook.status = 204
    rig.clock.advance(minutes=1)
    send(rig, {"oncall": webhook_to(hook)})
    entry = outbox(rig, kind="failed")[0]
    shown = ask("GET", f"/v1/notifications/{entry.id}").json()
    assert (shown["status"], shown["workspace"], shown["autopilot"]) == ("sent", "red", "triage")
    assert [(each["result"], each["detail"]) for each in shown["log"]] == [
        ("failed", "the receiver answered 503"),
        ("sent", ""),
    ]
    assert shown["nextAttemptAt"] is None
    assert shown["endedAt"] is not None


def test_only_a_dead_one_is_sent_again(rig: Rig, ask: Ask) -> None:
    entry = outbox(rig, kind="failed")[0]
    path = f"/v1/notifications/{entry.id}/resend"
    refused = ask("POST", path)
    assert (refused.status_code, refused.json()["code"]) == (409, "not-dead")
    rig.clock.advance(days=1)
    send(rig, {})
    page = ask("GET", "/notifications?status=dead").text
    assert ">Send again<" in page
    again = ask("POST", path)
    assert (again.status_code, again.json()["status"]) == (202, "pending")
    assert again.json()["resentAt"] == again.json()["nextAttemptAt"]
    shown = ask("GET", f"/v1/notifications/{entry.id}").json()
    assert [each["result"] for each in shown["log"]] == ["failed", "resent"]
    assert ">Send again<" not in ask("GET", "/notifications").text
    button = form_of(page, f"/notifications/{entry.id}/resend")
    pressed_late = ask("POST", button.action, data=button.fields)
    assert (pressed_late.status_code, pressed_late.headers["location"]) == (303, "/notifications")


def test_a_limited_token_sees_its_workspaces_only(rig: Rig, tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    path.write_text(
        f'[[token]]\nname = "v"\nrole = "viewer"\nworkspaces = ["red"]\n'
        f'sha256 = "{token_hash("rct_v")}"\n'
    )
    by_space = {entry.workspace: entry.id for entry in outbox(rig)}
    web = Web(rig, authority=Tokens(path, rig.clock))

    async def look() -> tuple[list[str], dict[str | None, int]]:
        headers = {"Authorization": "Bearer rct_v"}
        async with web.client(headers=headers) as client:
            denied = await client.post(f"/v1/notifications/{by_space['red']}/resend")
            assert denied.status_code == 403
            items = (await client.get("/v1/notifications")).json()["items"]
            answers: dict[str | None, httpx.Response] = {
                space: await client.get(f"/v1/notifications/{id_}")
                for space, id_ in by_space.items()
            }
        return [i["kind"] for i in items], {s: a.status_code for s, a in answers.items()}

    kinds, codes = asyncio.run(look())
    assert kinds == ["failed"]
    assert codes == {"red": 200, "blue": 404, None: 404}


def test_a_channel_is_tried_by_the_server_with_its_own_secrets(web: Web, ask: Ask) -> None:
    unusable = channels_of({"oncall": ChannelSettings(url=Place(env="ONCALL"))}, {})
    web.more["channels"] = unusable
    answer = ask("POST", "/v1/channels/test", json={"channel": "log"})
    assert answer.json() == {"channel": "log", "sent": True, "why": None}
    answer = ask("POST", "/v1/channels/test", json={"channel": "oncall"})
    why = "the server's environment has no ONCALL"
    assert answer.json() == {"channel": "oncall", "sent": False, "why": why}
    assert ask("POST", "/v1/channels/test", json={"channel": "nobody"}).status_code == 404


async def _tried(web: Web, times: int) -> list[int]:
    async with web.client() as client:
        body = {"channel": "slow"}
        sent = [client.post("/v1/channels/test", json=body) for _ in range(times)]
        return [answer.status_code for answer in await asyncio.gather(*sent)]


def test_trials_of_channels_wait_for_each_other(web: Web) -> None:
    under_way: list[int] = []

    class Slow:
        links = True
        now = 0

        async def deliver(
            self, messages: Sequence[Message], within: float, begun: set[str]
        ) -> AsyncGenerator[Delivery, None]:
            self.now += 1
            under_way.append(self.now)
            for _ in range(10):  # everybody else gets as far as they may
                await asyncio.sleep(0)
            self.now -= 1
            for message in messages:
                yield message, Sent()

    web.more["channels"] = {"slow": Slow()}
    assert asyncio.run(_tried(web, 8)) == [200] * 8
    assert len(under_way) == 8
    assert max(under_way) <= TRIALS_AT_ONCE
