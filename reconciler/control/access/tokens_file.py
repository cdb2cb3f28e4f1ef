"""The tokens file: hashes of API tokens and rules for OIDC, in TOML (docs/http.md#who-may)."""

import stat
import tomllib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError, field_validator

from reconciler.control.access.safe_url import is_safe_url
from reconciler.core.access.claims import GITHUB_NAMES, PINS, Rule, objection_to
from reconciler.core.access.roles import Role
from reconciler.core.base.errors import UsageError
from reconciler.core.base.near import did_you_mean
from reconciler.core.manifest.fields import Model, Name

LARGEST = 1024 * 1024

_Role = Annotated[Role, Field(strict=False)]
_Workspaces = Annotated[frozenset[Name], Field(min_length=1, strict=False)]


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


_Words = Annotated[
    frozenset[Annotated[str, Field(min_length=1)]],
    Field(min_length=1, strict=False),
    BeforeValidator(_listed),
]


class Token(Model):
    """One `[[token]]`: who holds it, what it opens, and until when. `sha256` is all that is kept.

    `workspaces` is None for all of them.
    """

    name: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[ -~]+$")]
    role: _Role
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    workspaces: _Workspaces | None = None
    expires: datetime | None = None

    @field_validator("expires")
    @classmethod
    def _aware(cls, value: datetime | None) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("write it with an offset, 2027-01-01T00:00:00Z")
        return value

    def holds_at(self, now: datetime) -> bool:
        """Whether it has not expired."""
        return self.expires is None or now < self.expires


class _Oidc(Model):
    issuer: str
    audience: Annotated[str, Field(min_length=1)]
    role: _Role
    workspaces: _Workspaces | None = None
    repository: _Words | None = None
    ref: _Words | None = None
    event: _Words | None = None
    claims: dict[str, str] = Field(default_factory=dict)
    names: dict[str, str] = Field(default_factory=dict)

    @field_validator("issuer")
    @classmethod
    def _reachable(cls, value: str) -> str:
        if not is_safe_url(value):
            raise ValueError("must begin with https:// (with http:// on loopback only)")
        return value

    @field_validator("names")
    @classmethod
    def _known(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            if name not in PINS:
                raise ValueError(
                    f"{name!r} is not one of {', '.join(PINS)}{did_you_mean(name, PINS)}"
                )
        return value

    def rule(self) -> Rule:
        """The rule that the entry writes."""
        return Rule(
            issuer=self.issuer,
            audience=self.audience,
            role=self.role,
            workspaces=self.workspaces,
            pins={pin: values for pin in PINS if (values := getattr(self, pin))},
            claims=self.claims,
            names={**GITHUB_NAMES, **self.names},
        )


class _File(Model):
    token: Annotated[tuple[Token, ...], Field(strict=False)] = ()
    oidc: Annotated[tuple[_Oidc, ...], Field(strict=False)] = ()


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a tokens file says."""

    tokens: tuple[Token, ...] = ()
    rules: tuple[Rule, ...] = ()


def read_tokens_file(path: Path) -> Credentials:
    """The credentials in a file.

    Raises UsageError that names everything that is wrong, and never a value: somebody may have
    written a token where its hash belongs.
    """
    try:
        content = _File.model_validate(tomllib.loads(_text(path)))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not TOML: {error}") from None
    except ValidationError as error:
        raise UsageError("\n".join(f"{path}: {line}" for line in _explained(error))) from None
    rules = tuple(entry.rule() for entry in content.oidc)
    if wrong := [*_repeated(content.token), *_unsafe(rules)]:
        raise UsageError("\n".join(f"{path}: {line}" for line in wrong))
    return Credentials(content.token, rules)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            mode = path.stat().st_mode
            raw = file.read(LARGEST + 1)
    except OSError as error:
        raise UsageError(f"cannot read the tokens file {path}: {error.strerror}") from None
    if mode & stat.S_IWOTH:
        raise UsageError(f"everybody can write the tokens file {path}; run: chmod o-w {path}")
    if len(raw) > LARGEST:
        raise UsageError(f"the tokens file {path} is larger than {LARGEST // 1024} KiB")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"the tokens file {path} is not UTF-8") from None


def _explained(error: ValidationError) -> list[str]:
    lines = []
    for fault in error.errors(include_input=False, include_url=False, include_context=False):
        where = ".".join(str(part) for part in fault["loc"])
        message = fault["msg"].removeprefix("Value error, ")
        if fault["type"] == "extra_forbidden":
            known = [*Token.model_fields, *_Oidc.model_fields, *_File.model_fields]
            message = f"is not known{did_you_mean(str(fault['loc'][-1]), known)}"
        lines.append(f"{where}: {message}")
    return lines


def _repeated(tokens: tuple[Token, ...]) -> list[str]:
    names, hashes = [token.name for token in tokens], [token.sha256 for token in tokens]
    wrong = [f"two tokens are named {name!r}" for name in sorted({*names}) if names.count(name) > 1]
    return wrong + (["two tokens have the same sha256"] if len({*hashes}) < len(hashes) else [])


def _unsafe(rules: tuple[Rule, ...]) -> list[str]:
    objections = ((place, objection_to(rule)) for place, rule in enumerate(rules, start=1))
    return [f"[[oidc]] number {place} {why}" for place, why in objections if why]
