"""`doctor` says which channels cannot be used, and what they left undone."""

import base64
from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.control.doctor.channels import check_channels
from reconciler.control.doctor.check import Verdict
from reconciler.control.prune import Retention, prune_once
from reconciler.core.runs.run import Failed, Reason
from reconciler.settings import Settings
from tests.support.hooks import HookServer
from tests.support.notifying import outbox, send, tells, webhook_to
from tests.support.rig import Rig, agent, autopilot

SECRET = f"whsec_{base64.b64encode(b'k' * 32).decode()}"


def settings(tmp_path: Path) -> Settings:
    """A service and a webhook."""
    path = tmp_path / "config.toml"
    path.write_text(
        '[channels.oncall]\nurl = {env = "ONCALL"}\n'
        f'[channels.audit]\nwebhook = "https://a.example"\nsecret = {{file = "{tmp_path}/key"}}\n'
    )
    return Settings.load(path)


def found(rig: Rig, tmp_path: Path, **environment: str) -> list[tuple[Verdict, str]]:
    """What is found out."""
    checks = check_channels(rig.database, settings(tmp_path), environment)
    return [(check.verdict, check.message) for check in checks]


def test_all_is_well(rig: Rig, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(SECRET)
    assert found(rig, tmp_path, ONCALL="slack://T/B/C") == [
        (Verdict.OK, "nothing is wrong with the 3")
    ]


def test_secrets_that_are_missing_or_no_secrets(rig: Rig, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("whsec_###")
    messages = [message for _, message in found(rig, tmp_path)]
    assert messages[0].startswith("audit cannot be used: the secret of the webhook is not base64")
    assert messages[1] == "oncall cannot be used: the server's environment has no ONCALL"


def test_what_waits_and_what_was_given_up(rig: Rig, tmp_path: Path, hook: HookServer) -> None:
    (tmp_path / "key").write_text(SECRET)
    rig.apply(agent(), autopilot(notify=[tells("failed", to="oncall"), tells(to="gone")]))
    rig.end(rig.launch(), Failed(Reason.AGENT_FAILED, "no"))
    hook.status = 500
    send(rig, {"oncall": webhook_to(hook)})
    assert found(rig, tmp_path, ONCALL="slack://T/B/C") == [
        (Verdict.ERROR, "gone is not declared, and 1 notifications wait for it"),
        (
            Verdict.WARNING,
            "1 notifications wait for oncall: the receiver answered 500",
        ),
    ]
    rig.clock.advance(hours=25)
    send(rig, {"oncall": webhook_to(hook)})
    assert (
        Verdict.ERROR,
        "1 notifications for oncall were given up lately: the receiver answered 500",
    ) in found(rig, tmp_path, ONCALL="slack://T/B/C")


@pytest.mark.parametrize("days", [1, 31])
def test_notifications_are_kept_as_long_as_deliveries_and_what_waits_for_ever(
    rig: Rig, hook: HookServer, days: int
) -> None:
    rig.apply(agent(), autopilot(notify=[tells("failed"), tells("failed", to="gone")]))
    rig.end(rig.launch(), Failed(Reason.AGENT_FAILED, "no"))
    send(rig, {"oncall": webhook_to(hook)})
    rig.clock.advance(days=days)
    month = timedelta(days=30)
    prune_once(rig.database, Retention(month * 99, month, month, month))
    left = {entry.channel for entry in outbox(rig)}
    assert left == ({"oncall", "gone"} if days == 1 else {"gone"})
