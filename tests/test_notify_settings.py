"""The settings of channels: what is said, what is refused, and what is never shown."""

from pathlib import Path

import pytest

from reconciler.control.doctor.shown_settings import shown_settings
from reconciler.core.base.errors import UsageError
from reconciler.settings import Settings

GOOD = """
[channels.oncall]
url = {env = "RECONCILER_CHANNEL_ONCALL"}
workspaces = ["platform"]
[channels.audit]
webhook = "https://audit.example.com/hooks/t0ken?k=secret"
secret = {file = "/etc/secret"}
[notify]
revision_failed = ["audit"]
timeout = "5s"
[notify.platform]
failed = ["oncall"]
[notify."*"]
failed = ["log"]
"""


def load(tmp_path: Path, text: str) -> Settings:
    """The settings of a file."""
    path = tmp_path / "config.toml"
    path.write_text(text)
    return Settings.load(path)


def test_channels_and_defaults_are_read(tmp_path: Path) -> None:
    settings = load(tmp_path, GOOD)
    assert settings.channel_workspaces == {
        "log": None,
        "oncall": frozenset({"platform"}),
        "audit": None,
    }
    defaults = settings.notify.defaults
    assert defaults.of("platform") == {"failed": ("oncall",)}
    assert defaults.of("elsewhere") == {"failed": ("log",)}
    assert defaults.revision_failed == ("audit",)
    assert settings.notify.timeout.total_seconds() == 5


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("[channels.a]\n", "exactly one of url and webhook", id="leads nowhere"),
        pytest.param(
            '[channels.a]\nurl = {env = "X"}\nwebhook = "https://a"\nsecret = {env = "Y"}',
            "exactly one of url and webhook", id="leads to two places",
        ),
        pytest.param(
            '[channels.a]\nwebhook = "https://a"', "a webhook has a secret", id="unsigned"
        ),
        pytest.param(
            '[channels.a]\nurl = {env = "X"}\nsecret = {env = "Y"}', "nothing else has one",
            id="a secret too many",
        ),
        pytest.param('[channels.a]\nurl = {}', "exactly one of env and file", id="no place"),
        pytest.param(
            '[channels.a]\nurl = "slack://T/B/C"', "channels.a.url", id="a secret in the file"
        ),
        pytest.param(
            '[channels.a]\nwebhook = "ftp://a"\nsecret = {env = "Y"}', "http or https",
            id="no web",
        ),
        pytest.param('[channels.log]\nurl = {env = "X"}', "every server has", id="the log"),
        pytest.param('[channels.A_b]\nurl = {env = "X"}', "channels.A_b", id="no name"),
        pytest.param(
            '[notify.p]\nfailed = ["logg"]', "did you mean 'log'", id="an unknown channel"
        ),
        pytest.param('[notify.p]\nfail = ["log"]', "'failed'", id="an unknown event"),
        pytest.param(
            '[channels.a]\nurl = {env = "X"}\nworkspaces = ["q"]\n[notify.p]\nfailed = ["a"]',
            "channels.a.workspaces does not name 'p'", id="not open to it",
        ),
        pytest.param(
            '[channels.a]\nurl = {env = "X"}\nworkspaces = ["q"]\n[notify."*"]\nfailed = ["a"]',
            "for its workspaces only", id="not open to all",
        ),
        pytest.param('[notify]\nrevision = ["log"]', "notify.revision", id="an unknown setting"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_without_values(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(UsageError) as refused:
        load(tmp_path, text)
    assert why in str(refused.value)
    assert "slack://" not in str(refused.value)


def test_settings_are_shown_without_what_opens_a_webhook(tmp_path: Path) -> None:
    settings = load(tmp_path, GOOD)
    shown = dict(shown_settings(settings))
    assert 'audit = {webhook = "https://audit.example.com/***", secret' in shown["channels"]
    for text in (*shown.values(), repr(settings)):
        assert "t0ken" not in text
        assert "k=secret" not in text
