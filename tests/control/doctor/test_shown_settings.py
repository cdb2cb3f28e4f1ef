"""What settings are printed as is a settings file that means the same."""

import tomllib
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.cli.main import run_cli
from reconciler.cli.server.process import show_settings
from reconciler.control.doctor.shown_settings import shown_settings
from reconciler.core.base.masking import mask
from reconciler.settings import Settings

FILE = r"""
database = "postgresql://reconciler@db.internal/reconciler"
port = 80
badges = true
trusted_proxies = ["10.0.0.0/8"]
secrets_dir = "/srv/my \"secrets\""
lease = 1.5
keep_runs = "1d12h"
sources = [{id = "a", path = "/srv/a b"}, {id = "b", git = "https://git/b", ref = "v1"}]

[allow_command]
report = "/srv/agents/report"
[prices."claude-sonnet-*"]
input = 3.00
output = 15
[budgets]
perMonth = 500
[budgets.platform]
perDay = 0.25
[commands.triage]
path = "/srv/agents/triage"
env = ["TZ"]
[aegis]
folders = ["/srv/agents"]
[channels.oncall]
url = {env = "ONCALL"}
workspaces = ["platform", "audit", "timeout"]
[channels.audit]
webhook = "https://audit.example.com:8443"
secret = {file = "/etc/secret"}
[notify]
revision_failed = ["audit"]
[notify.timeout]
failed = ["oncall"]
[notify."*"]
failed = ["log", "audit"]
"""


def printed(settings: Settings) -> str:
    """Those that are set, a line each."""
    return "\n".join(f"{name} = {value}" for name, value in shown_settings(settings) if value)


def test_what_serve_prints_is_a_file_that_means_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, copy = tmp_path / "config.toml", tmp_path / "copy.toml"
    file.write_text(FILE)
    assert run_cli(["serve", "--print-settings", "--config", str(file)]) == 0
    copy.write_text(capsys.readouterr().out)
    assert Settings.load(copy) == Settings.load(file)


@pytest.mark.parametrize(
    "setting",
    [
        pytest.param({"secrets_dir": "caf\udce9"}, id="a path"),
        pytest.param({"allow_command": {"report": "/srv/caf\udce9"}}, id="in a table"),
        pytest.param({"prices": {"caf\udce9": {"input": 1, "output": 2}}}, id="a key"),
    ],
)
def test_what_is_not_utf_8_is_shown_in_a_comment(
    setting: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Paths of the system may be any bytes; a settings file is UTF-8."""
    ((name, _),) = setting.items()
    show_settings(Settings(port=8090, **setting))
    shown = capsys.readouterr().out
    read = tomllib.loads(shown)
    assert read["port"] == 8090
    assert name not in read
    (line,) = (line for line in shown.splitlines() if line.startswith(f"# {name} = "))
    assert "caf\\udce9" in line
    assert line.endswith("is not UTF-8, and no settings file can hold that")


@pytest.mark.parametrize(
    ("values", "line"),
    [
        pytest.param({}, "self_heal = true", id="a switch"),
        pytest.param({}, "trusted_proxies = []", id="an empty list"),
        pytest.param({}, "commands = {}", id="no tables"),
        pytest.param({}, 'lease = "30s"', id="a duration"),
        pytest.param({"lease": 0.5}, "lease = 0.5", id="half a second"),
        pytest.param({"key_file": "a\u202eb\x7f"}, r'key_file = "a\u202eb\u007f"', id="invisible"),
        pytest.param({"forge_token": "hunter2"}, 'forge_token = "**********"', id="a secret"),
        pytest.param({"git": "https://u:hunter2@h/a"}, 'git = "https://***@h/a"', id="a password"),
        pytest.param({"budgets": {"perRun": 5}}, "budgets = {perRun = 5}", id="all runs"),
        pytest.param({"budgets": {"a": {"perDay": 0.5}}}, "budgets = {a = {perDay = 0.5}}",
                     id="a workspace"),
    ],
)  # fmt: skip
def test_a_setting_is_shown_as_it_is_written(values: dict[str, Any], line: str) -> None:
    assert line in printed(Settings(**values)).splitlines()


def test_what_is_not_set_has_no_value() -> None:
    assert dict(shown_settings(Settings()))["public_url"] == ""


TEXTS = st.text(min_size=1, max_size=20).filter(lambda text: mask(text) == text)
AMOUNTS = st.integers(1, 10**9).map(lambda millionths: Decimal(millionths) / 1_000_000)
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "source": TEXTS,
        "port": st.integers(0, 65535),
        "badges": st.booleans(),
        "key_file": TEXTS.map(Path),
        "allowed_permission_modes": st.lists(TEXTS).map(tuple),
        "lease": st.timedeltas(timedelta(0), timedelta(days=5000)),
        "allow_command": st.dictionaries(TEXTS, TEXTS.map(Path)),
        "aegis": st.fixed_dictionaries({"env": st.lists(st.just("TZ"))}),
        "budgets": st.dictionaries(
            st.sampled_from(["a", "b-c"]), st.fixed_dictionaries({"perDay": AMOUNTS})
        ),
        "prices": st.dictionaries(
            TEXTS, st.fixed_dictionaries({"input": AMOUNTS, "output": AMOUNTS})
        ),
        "notify": st.fixed_dictionaries({"*": st.just({"failed": ["log"]})}),
    },
)


@given(SETTINGS)
def test_whatever_is_set_comes_back_as_it_was(values: dict[str, Any]) -> None:
    settings = Settings(**values)
    assert Settings(**tomllib.loads(printed(settings))) == settings
