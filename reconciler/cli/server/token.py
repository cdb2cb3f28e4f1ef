"""`reconciler token new`: mint an API token. It is shown once; only its hash is kept."""

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli import options
from reconciler.cli.console import note_done, out, say
from reconciler.control.access.tokens import new_token
from reconciler.control.access.tokens_file import Credentials, Token, read_tokens_file
from reconciler.core.access.roles import Role
from reconciler.core.access.token_hash import token_hash
from reconciler.core.base.errors import Unavailable, UsageError
from reconciler.core.base.units import parse_duration
from reconciler.core.manifest.fields import format_instant
from reconciler.settings import Settings

app = typer.Typer(rich_markup_mode="rich", add_completion=False, no_args_is_help=True)


@app.callback()
def token() -> None:
    """Make API tokens."""


@app.command()
def new(
    role: Annotated[Role, typer.Option("--role", help="What it is for.")],
    name: Annotated[
        str | None, typer.Option("--name", help="Whose it is; shown in history and logs.")
    ] = None,
    workspace: Annotated[
        list[str] | None,
        typer.Option("--workspace", help="All that it sees; repeat it for more."),
    ] = None,
    expires_in: Annotated[
        str | None, typer.Option("--expires-in", metavar="DURATION", help="For example 90d.")
    ] = None,
    tokens_file: Annotated[
        Path | None,
        typer.Option("--tokens-file", metavar="FILE", help="Where its hash is added."),
    ] = None,
    config: options.Config = None,
) -> None:
    """Make a token and print it, this once. Only its hash is kept.

    With a tokens file the hash is added there; a running server takes it at SIGHUP. Without one the
    entry is shown, to be put into a file.
    """
    settings = Settings.load(config, tokens_file=tokens_file)
    made = new_token()
    entry = {
        "name": name or f"{role.value}-{token_hash(made)[:6]}",
        "role": role,
        "sha256": token_hash(made),
        "workspaces": tuple(workspace) if workspace else None,
        "expires": _expiry(expires_in),
    }
    wanted = _checked(entry)
    if settings.tokens_file is None:
        say(f"Put this into a file and name it with RECONCILER_TOKENS_FILE:\n\n{_toml(wanted)}")
    else:
        _add(settings.tokens_file, wanted)
        note_done(f"its hash was added to {settings.tokens_file}")
        say(f"Added to {settings.tokens_file}; a running server takes it at SIGHUP.")
    out(made)


def _expiry(duration: str | None) -> datetime | None:
    if duration is None:
        return None
    try:
        return datetime.now(UTC).replace(microsecond=0) + parse_duration(duration)
    except ValueError as error:
        raise UsageError(f"--expires-in: {error}") from None


def _checked(entry: Mapping[str, object]) -> Token:
    try:
        return Token.model_validate(entry)
    except ValueError as error:
        errors = error.errors(include_input=False) if hasattr(error, "errors") else []
        lines = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in errors]
        raise UsageError("\n".join(lines) or str(error)) from None


def _toml(entry: Token) -> str:
    """The entry as TOML, whose basic strings are written as JSON's are."""
    lines = ["[[token]]", f"name = {json.dumps(entry.name)}", f'role = "{entry.role.value}"']
    if entry.workspaces:
        lines.append(f"workspaces = {json.dumps(sorted(entry.workspaces))}")
    if entry.expires:
        lines.append(f"expires = {format_instant(entry.expires)}")
    return "\n".join([*lines, f'sha256 = "{entry.sha256}"', ""])


def _add(path: Path, entry: Token) -> None:
    known = read_tokens_file(path) if path.exists() else Credentials()
    if any(token.name == entry.name for token in known.tokens):
        raise UsageError(f"{path} has a token named {entry.name!r} already; give another --name")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "a", encoding="utf-8") as file:
            file.write(f"\n{_toml(entry)}" if file.tell() else _toml(entry))
    except OSError as error:
        raise Unavailable(f"cannot write {path}: {error.strerror}") from None
