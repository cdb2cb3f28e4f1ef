"""The tokens file: what is taken, what is refused, and that no value is ever repeated."""

from pathlib import Path

import pytest

from reconciler.control.access.tokens import Tokens, new_token
from reconciler.control.access.tokens_file import read_tokens_file
from reconciler.core.access.roles import Role
from reconciler.core.access.token_hash import token_hash
from reconciler.core.base.errors import UsageError
from tests.support.clock import FakeClock

TOKEN = "rct_" + "x" * 43
ENTRY = f'[[token]]\nname = "ci"\nrole = "planner"\nsha256 = "{token_hash(TOKEN)}"\n'
RULE = '[[oidc]]\nissuer = "https://i.example"\naudience = "r"\nrole = "planner"\n'


def _written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "tokens.toml"
    path.write_text(text)
    return path


def test_a_token_has_256_bits_and_its_prefix() -> None:
    made = {new_token() for _ in range(100)}
    assert len(made) == 100
    assert all(one.startswith("rct_") and len(one) == 47 for one in made)


def test_an_entry(tmp_path: Path) -> None:
    path = _written(tmp_path, f'{ENTRY}workspaces = ["platform"]\nexpires = 2027-01-01T00:00:00Z\n')
    (token,) = read_tokens_file(path).tokens
    assert (token.name, token.role) == ("ci", Role.PLANNER)
    assert token.workspaces == frozenset({"platform"})


def test_an_empty_file_lets_nobody_in(tmp_path: Path) -> None:
    assert read_tokens_file(_written(tmp_path, "")).tokens == ()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("[[token]", "not TOML", id="no TOML"),
        pytest.param(f"{ENTRY}rolle = 1", "did you mean 'role'", id="a typo"),
        pytest.param(ENTRY.replace("planner", "root"), "role", id="an unknown role"),
        pytest.param(ENTRY.replace(token_hash(TOKEN), TOKEN), "sha256", id="the token itself"),
        pytest.param(ENTRY.replace('name = "ci"\n', ""), "name", id="no name"),
        pytest.param(f"{ENTRY}workspaces = []", "workspaces", id="no workspace at all"),
        pytest.param(f'{ENTRY}workspaces = ["A B"]', "workspaces", id="no workspace's name"),
        pytest.param(f"{ENTRY}expires = 2027-01-01T00:00:00", "offset", id="a local time"),
        pytest.param(f"{ENTRY}{ENTRY}", "two tokens are named 'ci'", id="twice"),
        pytest.param(RULE, "does not pin a repository", id="a rule for everybody"),
        pytest.param(
            f'{RULE.replace("planner", "admin")}repository = "a/b"\nref = "refs/heads/main"',
            "does not pin event", id="an admin of any event",
        ),
        pytest.param(RULE.replace("https", "http"), "https://", id="an issuer without TLS"),
        pytest.param(f'{RULE}repository = "a"\nnames.repo = "x"', "repo", id="no such name"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_without_the_value(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_tokens_file(_written(tmp_path, text))
    assert why in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_a_file_that_everybody_can_write_is_refused(tmp_path: Path) -> None:
    path = _written(tmp_path, ENTRY)
    path.chmod(0o666)
    with pytest.raises(UsageError, match="everybody can write"):
        read_tokens_file(path)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read the tokens file"):
        read_tokens_file(tmp_path / "none.toml")


def test_a_reload_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = _written(tmp_path, ENTRY)
    tokens = Tokens(path, FakeClock())
    path.write_text("[[token]")
    with pytest.raises(UsageError):
        tokens.reload()
    assert tokens.session_key_of(TOKEN) == token_hash(TOKEN)
