"""Settings, files and programs of this host, as `serve` would meet them."""

import os
from collections.abc import Iterator
from pathlib import Path

from reconciler.control.access.keys import read_key
from reconciler.control.access.tokens_file import read_tokens_file
from reconciler.control.doctor.check import Check, error, ok, warning
from reconciler.core.base.errors import ReconcilerError
from reconciler.core.manifest.reach import is_loopback
from reconciler.dispatch.command.program import program_path
from reconciler.settings import Settings

SETTINGS, PROGRAMS = "settings", "programs"


def check_settings(settings: Settings) -> Iterator[Check]:
    """The settings were read; now the files that they name, and what contradicts another."""
    checks = [
        *_tokens(settings),
        *_key(settings),
        *_secrets_dir(settings.secrets_dir),
    ]
    yield from checks or [ok(SETTINGS, "they can be read, and the files that they name too")]


def _tokens(settings: Settings) -> Iterator[Check]:
    if settings.tokens_file is None:
        if not is_loopback(settings.host):
            yield error(
                SETTINGS,
                f"host is {settings.host} and there are no API tokens: serve refuses to start",
                "make one with `reconciler token new` and set tokens_file, or listen on 127.0.0.1",
            )
        return
    try:
        read_tokens_file(settings.tokens_file)
    except ReconcilerError as failure:
        yield error(SETTINGS, f"tokens_file: {failure}", "correct the file")


def _key(settings: Settings) -> Iterator[Check]:
    try:
        read_key(settings.key_file, settings.secrets_dir)
    except FileNotFoundError:
        return  # made on first use; `webhooks` says so where URLs depend on it
    except ReconcilerError as failure:
        yield error(SETTINGS, f"key_file: {failure}", "name another file with RECONCILER_KEY_FILE")


def _secrets_dir(folder: Path) -> Iterator[Check]:
    if not folder.exists():
        return
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.X_OK):
        yield error(
            SETTINGS, f"secrets_dir {folder} is not a folder that can be read", "correct its mode"
        )


def check_programs(settings: Settings) -> Iterator[Check]:
    """Each bound program exists and may be executed."""
    programs = settings.programs
    for name in sorted(programs):
        try:
            yield ok(PROGRAMS, f"{name} is {program_path(name, programs)}")
        except (OSError, ValueError) as failure:
            yield error(PROGRAMS, str(failure), f"install it, or bind {name!r} to another path")
    for name, grant in sorted(settings.grants.items()):
        for folder in grant.folders:
            if not Path(folder).is_dir():
                yield warning(
                    PROGRAMS,
                    f"the folder {folder} of commands.{name} does not exist",
                    "make it, or remove it from the settings",
                )
