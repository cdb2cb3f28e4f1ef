"""`token new`: shown once, and only its hash is kept."""

import re
from pathlib import Path

import pytest

from reconciler.cli.main import run_cli
from reconciler.control.access.tokens_file import read_tokens_file
from reconciler.core.access.roles import Role
from reconciler.core.access.token_hash import token_hash


def test_the_hash_goes_into_the_file_and_the_token_to_stdout(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "new" / "tokens.toml"
    given = ["--name", "ci", "--workspace", "platform", "--expires-in", "90d"]
    assert run_cli(["token", "new", "--role", "planner", *given, "--tokens-file", str(path)]) == 0
    made = capsys.readouterr().out.strip()
    assert re.fullmatch(r"rct_[A-Za-z0-9_-]{43}", made)
    assert made not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    (entry,) = read_tokens_file(path).tokens
    assert (entry.name, entry.role, entry.sha256) == ("ci", Role.PLANNER, token_hash(made))
    assert entry.workspaces == frozenset({"platform"})
    assert entry.expires is not None


def test_a_second_one_stands_below_the_first(tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    for role in ("viewer", "admin"):
        assert run_cli(["token", "new", "--role", role, "--tokens-file", str(path)]) == 0
    assert [one.role for one in read_tokens_file(path).tokens] == [Role.VIEWER, Role.ADMIN]


def test_without_a_file_the_entry_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RECONCILER_TOKENS_FILE", raising=False)
    assert run_cli(["token", "new", "--role", "admin", "--name", 'a "b"']) == 0
    shown = capsys.readouterr()
    entry = shown.err.partition("\n\n")[2]
    (tmp_path / "tokens.toml").write_text(entry)
    (token,) = read_tokens_file(tmp_path / "tokens.toml").tokens
    assert (token.name, token.sha256) == ('a "b"', token_hash(shown.out.strip()))


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        pytest.param(["--role", "root"], "root", id="no such role"),
        pytest.param([], "role", id="no role"),
        pytest.param(["--role", "admin", "--workspace", "A B"], "workspaces", id="no workspace"),
        pytest.param(["--role", "admin", "--expires-in", "soon"], "expires-in", id="no time"),
    ],
)
def test_usage(arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["token", "new", *arguments]) == 64
    shown = capsys.readouterr()
    assert why in shown.err
    assert shown.out == ""


def test_a_name_is_used_once(tmp_path: Path) -> None:
    command = ["token", "new", "--role", "admin", "--name", "a"]
    command += ["--tokens-file", str(tmp_path / "tokens.toml")]
    assert run_cli(command) == 0
    assert run_cli(command) == 64
