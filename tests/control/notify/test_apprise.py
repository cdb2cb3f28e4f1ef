"""Apprise itself, against Slack and a mail server on loopback: what arrives, and what is told."""

import asyncio
import email
import email.policy
import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiosmtpd.controller import Controller

from reconciler.control.notify.apprise_channel import AppriseChannel
from reconciler.control.notify.apprise_worker import without_parts_of
from reconciler.control.notify.channel import Delivery, NotSent, Sent
from reconciler.core.notify.message import Message
from reconciler.core.runs.run import Completed, Failed, Reason
from tests.support.hooks import HookServer
from tests.support.notifying import outbox, send, tells
from tests.support.ports import free_port
from tests.support.rig import Rig, agent, autopilot
from tests.support.slack import Slack, slack_on_loopback

if importlib.util.find_spec("apprise") is None:
    if os.environ.get("CI", "").lower() not in ("", "0", "false"):
        pytest.fail("the extra `notify` is not installed", pytrace=False)
    pytest.skip("the extra `notify` is not installed", allow_module_level=True)

TOKENS = "T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"


class Mailbox:
    """A mail server's handler that keeps what comes."""

    def __init__(self) -> None:
        self.mails: list[Any] = []

    async def handle_DATA(  # noqa: N802 - aiosmtpd calls it
        self, _server: Any, _session: Any, envelope: Any
    ) -> str:
        self.mails.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return "250 OK"


@pytest.fixture
def mailbox() -> Iterator[tuple[str, Mailbox]]:
    """A mail server on loopback, and the URL by which Apprise knows it."""
    box = Mailbox()
    port = free_port()
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    url = f"mailto://127.0.0.1:{port}?from=bot@example.com&to=team@example.com&mode=insecure&rto=60&cto=60"
    yield url, box
    controller.stop()


@pytest.fixture
def slack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Slack]:
    """Slack on loopback, where the child that sends is led by its environment."""
    with slack_on_loopback(tmp_path) as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        yield server


def message(number: int = 0, text: str = "It went wrong.") -> Message:
    """A message of its own."""
    return Message(f"id-{number}", "platform/triage failed", text, {})


def deliver(url: str, *messages: Message, within: float = 60.0) -> tuple[list[Delivery], set[str]]:
    """What became of messages, and which of them were begun."""
    begun: set[str] = set()

    async def run() -> list[Delivery]:
        return [each async for each in AppriseChannel(lambda: url).deliver(messages, within, begun)]

    return asyncio.run(run()), begun


def test_a_failure_reaches_slack_and_calls_nobody(rig: Rig, slack: Slack) -> None:
    rig.apply(agent(), autopilot(notify=[tells("failed")]))
    words = "<!channel> look at [this](https://evil.example/?q=secret) @everyone"
    rig.end(rig.launch(), Failed(Reason.AGENT_FAILED, words))
    send(rig, {"oncall": AppriseChannel(lambda: f"slack://{TOKENS}")})
    assert [entry.status for entry in outbox(rig)] == ["sent"]
    assert slack.connected == ["hooks.slack.com:443"]
    (posted,) = slack.posted
    shown = str(posted)
    assert "default/triage failed" in shown
    assert "look at" in shown
    for dangerous in ("<!channel>", "@everyone", "](", "https://evil"):
        assert dangerous not in shown


def test_a_digest_reaches_people_by_mail(rig: Rig, mailbox: tuple[str, Mailbox]) -> None:
    url, box = mailbox
    rig.apply(agent(), autopilot(notify=[tells("completed")]))
    rig.end(rig.launch(), Completed("Three issues were labelled.\nNone is urgent."))
    send(rig, {"oncall": AppriseChannel(lambda: url)})
    assert [entry.status for entry in outbox(rig)] == ["sent"]
    (mail,) = box.mails
    assert "default/triage completed" in mail["subject"]
    body = mail.get_body(("plain", "html")).get_content()
    assert "Three issues were labelled." in body
    assert "None is urgent." in body


def test_markup_is_words_in_a_mail(rig: Rig, mailbox: tuple[str, Mailbox]) -> None:
    url, box = mailbox
    rig.apply(agent(), autopilot(notify=[tells("completed")]))
    rig.end(rig.launch(), Completed("<img src='https://evil.example/x'><b>bold</b>"))
    send(rig, {"oncall": AppriseChannel(lambda: url)})
    (mail,) = box.mails
    source = mail.as_string()
    assert "<img" not in source
    assert "<b>" not in source
    assert "https://evil" not in source


def test_several_messages_take_one_process(mailbox: tuple[str, Mailbox]) -> None:
    url, box = mailbox
    outcomes, begun = deliver(url, *(message(number) for number in range(3)))
    assert [outcome for _, outcome in outcomes] == [Sent()] * 3
    assert len(box.mails) == len(begun) == 3


def test_what_a_service_says_of_a_failure_holds_nothing_of_the_url(slack: Slack) -> None:
    slack.status = 403
    ((_, outcome),), begun = deliver(f"slack://{TOKENS}", message(0), message(1))
    assert isinstance(outcome, NotSent)
    assert "403" in outcome.why
    for part in TOKENS.split("/"):
        assert part not in outcome.why
    assert begun == {"id-0"}, "the channel is gone: the second one is not tried"


@pytest.mark.parametrize("url", ["nonsense", "unheard-of://host/token", "slack://short", ""])
def test_a_url_that_apprise_does_not_know_is_told_without_the_url(url: str) -> None:
    ((_, outcome),), _ = deliver(url, message())
    assert outcome == NotSent("Apprise knows no service by this URL", gone=True)


def test_a_service_that_hangs_is_left_and_its_process_killed(hook: HookServer) -> None:
    hook.hangs = True
    url = hook.url.replace("http://", "json://") + "/?rto=60&cto=60"
    before = {child.pid for child in psutil.Process().children()}
    ((_, outcome),), begun = deliver(url, message(), within=1.0)
    assert isinstance(outcome, NotSent)
    assert outcome.gone
    assert begun == {"id-0"}
    left = [c for c in psutil.Process().children() if c.pid not in before]
    assert not [c for c in left if c.status() != psutil.STATUS_ZOMBIE]


def test_parts_of_a_url_are_taken_out_of_reasons_however_they_are_written() -> None:
    url = "mailto://bot:p%40ssw0rd!long@mail.example.com?to=x@y.example"
    reason = "login of bot with p@ssw0rd!long at mail.example.com failed: P%40SSW0RD refused"
    told = without_parts_of(url, reason)
    assert "ssw0rd" not in told.lower()
    assert "failed" in told
    assert "refused" in told
