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
    assert "breaker_cooldown = 15m\n" in shown
    assert "database = postgresql://me:***@db.example/state\n" in shown
    assert "hunter2" not in shown
