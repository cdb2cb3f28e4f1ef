"""`reconciler notify test`: a channel is tried, and what came of it is said without its secrets."""

import base64

import pytest
import standardwebhooks

from tests.support.cli import BOT, Cli, autopilot
from tests.support.hooks import hook_server

SECRET = f"whsec_{base64.b64encode(b'k' * 32).decode()}"
TELLS = "  notify:\n    - {on: [failed], to: oncall}\n"


def configure(cli: Cli, url: str) -> None:
    """A webhook as a channel."""
    (cli.folder / "config.toml").write_text(
        f'[channels.oncall]\nwebhook = "{url}/t0ken"\nsecret = {{env = "SIGNING"}}\n'
    )


def test_a_channel_that_works(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNING", SECRET)
    with hook_server() as hook:
        configure(cli, hook.url)
        answer = cli("notify", "test", "oncall", "--config", "config.toml")
        assert (answer.code, answer.out) == (0, "channel oncall: sent\n")
        (post,) = hook.posted
    event = standardwebhooks.Webhook(SECRET).verify(post.body.decode(), dict(post.headers))
    assert event["type"] == "channel.test"


def test_a_channel_that_does_not(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    with hook_server() as hook:
        configure(cli, hook.url)
        answer = cli("notify", "test", "oncall", "--config", "config.toml")
        assert answer.code == 1
        assert "channel oncall: the server's environment has no SIGNING" in answer.err
        monkeypatch.setenv("SIGNING", SECRET)
        hook.status = 403
        answer = cli("notify", "test", "oncall", "--config", "config.toml")
    assert answer.code == 1
    assert "channel oncall: the receiver answered 403" in answer.err
    answer = cli("notify", "test", "oncall", "--config", "config.toml")
    assert answer.code == 1
    assert "cannot be reached" in answer.err
    assert "t0ken" not in answer.err
    assert SECRET not in answer.err


def test_a_name_that_is_not_there_has_a_near_miss(cli: Cli) -> None:
    configure(cli, "http://127.0.0.1:1")
    answer = cli("notify", "test", "onccall", "--config", "config.toml")
    assert answer.code == 64 or answer.code == 1
    assert "did you mean 'oncall'" in answer.err


def test_the_log_is_a_channel_of_everybody(cli: Cli) -> None:
    assert cli("notify", "test", "log").code == 0


def test_an_unknown_channel_is_a_warning_offline_and_a_problem_when_applied(cli: Cli) -> None:
    cli.write(agent=BOT, triage=autopilot("triage", more=TELLS))
    answer = cli("validate", "autopilots")
    assert answer.code == 0
    assert "[channel-unchecked]" in answer.out
    configure(cli, "http://127.0.0.1:1")
    assert "channel" not in cli("validate", "autopilots", "--config", "config.toml").out
    answer = cli("apply", "autopilots", "--yes")
    assert answer.code == 3
    assert "there is no channel 'oncall'" in answer.err
    assert "[channel-unknown]" in answer.err
    assert cli("apply", "autopilots", "--yes", "--config", "config.toml").code == 0


def test_a_channel_may_be_kept_from_a_workspace(cli: Cli) -> None:
    cli.write(agent=BOT, triage=autopilot("triage", more=TELLS))
    (cli.folder / "config.toml").write_text(
        '[channels.oncall]\nurl = {env = "X"}\nworkspaces = ["platform"]\n'
    )
    answer = cli("plan", "autopilots", "--config", "config.toml")
    assert answer.code == 3
    assert "workspace 'default' may not use the channel 'oncall'" in answer.err
    assert "[channel-not-allowed]" in answer.err


def test_a_plan_says_which_channels_are_newly_reached(cli: Cli) -> None:
    more = TELLS.replace("oncall", "log")
    cli.write(agent=BOT, triage=autopilot("triage", more=more))
    assert "channels: log" in cli("plan", "autopilots").out
