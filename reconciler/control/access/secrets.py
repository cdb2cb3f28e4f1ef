"""Secrets, resolved from the references of a workspace; never logged, never in a message.

A manifest can only name what belongs to its workspace (core/manifest/checks); the same rule is
asked again here, because a row of the database may not have come through it.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from reconciler.core.base.errors import Unavailable
from reconciler.core.manifest.checks.secrets import is_secret_file, owns_env
from reconciler.core.manifest.fields import SecretRef

LARGEST = 64 * 1024


class SecretMissing(Unavailable):
    """A secret that is referred to is not there; the message names the reference only."""

    code = "secret-missing"


@dataclass(frozen=True, slots=True)
class Secrets:
    """The active secrets of a trigger; `missing` are sentences about those that are unavailable."""

    values: tuple[str, ...] = field(repr=False)
    missing: tuple[str, ...] = ()
    refs: tuple[SecretRef, ...] = ()
    """Where each of the values came from."""


class SecretStore:
    """Reads the environment and `secrets_dir`. `reload` forgets what was read (SIGHUP).

    `environment` is where `{env: NAME}` references are found: a server takes them out of its own.
    """

    def __init__(self, secrets_dir: Path, environment: Mapping[str, str] | None = None) -> None:
        self._dir = secrets_dir
        self.environment = os.environ if environment is None else environment
        self._files: dict[Path, str] = {}

    def resolve(self, ref: SecretRef, workspace: str) -> str:
        """The secret. Raises SecretMissing, which says where it was looked for."""
        if ref.env is not None:
            return self._from_environment(ref.env, workspace)
        return self._from_file(ref.file or "", workspace)

    def active(self, refs: tuple[SecretRef, ...], workspace: str, now: datetime) -> "Secrets":
        """The secrets whose `notBefore` and `notAfter` admit this moment, and what is missing.

        While secrets are rotated one of several may not be there yet, or not any more.
        """
        values, missing, resolved = [], [], []
        for ref in refs:
            try:
                if is_active(ref, now):
                    values.append(self.resolve(ref, workspace))
                    resolved.append(ref)
            except SecretMissing as error:
                missing.append(str(error))
        return Secrets(tuple(values), tuple(missing), tuple(resolved))

    def reload(self) -> None:
        """Read files again when they are next needed."""
        self._files.clear()

    def _from_environment(self, name: str, workspace: str) -> str:
        if not owns_env(workspace, name):
            raise SecretMissing(f"the variable {name} does not belong to workspace {workspace}")
        value = self.environment.get(name)
        if not value:
            raise SecretMissing(f"the server's environment has no {name}")
        return value

    def _from_file(self, name: str, workspace: str) -> str:
        if not is_secret_file(name):
            raise SecretMissing(f"{name!r} is not the name of a secret file")
        path = self._dir / workspace / name
        if path not in self._files:
            self._files[path] = _read(path, f"secrets_dir/{workspace}/{name}")
        return self._files[path]


def is_active(ref: SecretRef, now: datetime) -> bool:
    """Whether the reference is used at this moment; both ends are included."""
    started = ref.not_before is None or ref.not_before <= now
    return started and (ref.not_after is None or now <= ref.not_after)


def _read(path: Path, shown: str) -> str:
    """One line break at the end belongs to the editor, not to the secret."""
    try:
        if path.is_symlink() or not path.is_file():
            raise SecretMissing(f"there is no file {shown}")
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
    except OSError:
        raise SecretMissing(f"the file {shown} cannot be read") from None
    if len(raw) > LARGEST:
        raise SecretMissing(f"the file {shown} is larger than {LARGEST // 1024} KiB")
    try:
        text = raw.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise SecretMissing(f"the file {shown} is not UTF-8") from None
    if not text:
        raise SecretMissing(f"the file {shown} is empty")
    return text
