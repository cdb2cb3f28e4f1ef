"""`serve` before it serves: settings as they are written, and no open door without tokens."""

from pathlib import Path

import pytest

from reconciler.cli.main import run_cli


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::"])
def test_without_tokens_the_server_stays_on_loopback(
    host: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = f"sqlite:///{tmp_path}/state.db"
    assert run_cli(["serve", "--host", host, "--port", "0", "--database", database]) == 64
    assert "tokens_file" in capsys.readouterr().err
    assert not (tmp_path / "state.db").exists()


def test_a_path_that_is_no_folder_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["serve", "no-such-folder"]) == 64
    assert "no-such-folder" in capsys.readouterr().err


def test_settings_are_shown_as_they_are_written_and_masked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    database = "postgresql://me:hunter2@db.example/state"
    assert run_cli(["serve", "--print-settings", "--database", database]) == 0
    shown = capsys.readouterr().out
    assert 'breaker_cooldown = "15m"\n' in shown
    assert 'database = "postgresql://me:***@db.example/state"\n' in shown
    assert "self_heal = true\n" in shown
    assert "trusted_proxies = []\n" in shown
    assert "# public_url is not set\n" in shown
    assert "hunter2" not in shown


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("DATABASE", "postgresql://h/db?password=hunter2", id="database"),
        pytest.param("DATABASE", "postgresql://u:hunter2 x@h/db?sslpassword=hunter2", id="space"),
        pytest.param("ALLOWED_RUNTIME_URLS", "https://u:hunter2@h,http://b", id="runtime URLs"),
        pytest.param("TOKEN", "rct_hunter2hunter2", id="token"),
    ],
)
def test_no_setting_shows_a_secret(
    name: str, value: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"RECONCILER_{name}", value)
    assert run_cli(["serve", "--print-settings"]) == 0
    captured = capsys.readouterr()
    assert "hunter2" not in captured.out + captured.err


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        pytest.param("DATABASE", "postgresql://u:se@hunter2@h/db", "write %40", id="two @"),
        pytest.param("PUBLIC_URL", "https://u:hunter2@h", "without user", id="a user"),
        pytest.param("SERVER", "https://h/?token=hunter2", "without user", id="a query"),
    ],
)
def test_a_url_that_cannot_be_meant_is_refused_and_not_repeated(
    name: str,
    value: str,
    hint: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(f"RECONCILER_{name}", value)
    assert run_cli(["serve", "--print-settings"]) == 64
    captured = capsys.readouterr()
    assert hint in captured.err
    assert "hunter2" not in captured.out + captured.err
