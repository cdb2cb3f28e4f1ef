"""What a command that needs state opens: settings, the database, the manifests at a path."""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager

from reconciler.cli.progress import progress
from reconciler.cli.rendering.problems import from_here
from reconciler.clock import SystemClock
from reconciler.control.apply.policy import policy_of
from reconciler.control.apply.sources import LoadedSource, load_source
from reconciler.core.base.errors import InvalidManifests, UsageError
from reconciler.core.base.identity import Key
from reconciler.settings import Settings
from reconciler.store.engine.database import Database
from reconciler.store.notify.outbox import using


@contextmanager
def opened(settings: Settings, *, create: bool = False) -> Iterator[Database]:
    """The database of the settings; a missing SQLite file is made only where `create` says so."""
    if settings.server is not None:
        raise UsageError(
            "this command does not go through a server: unset RECONCILER_SERVER, and name the "
            "database with --database or RECONCILER_DATABASE"
        )
    with Database.open(settings.database, create=create) as database:
        database.prepare = using(settings.notify.defaults)
        yield database


@contextmanager
def opened_to_apply(settings: Settings) -> Iterator[Database]:
    """The database, made if it is missing and with the newest tables."""
    with opened(settings, create=True) as database:
        database.migrate()
        yield database


def load_path(
    database: Database, path: str, settings: Settings, *, named_source: bool
) -> LoadedSource:
    """The manifests at a path, held against what the database has."""
    with progress("reading manifests"):
        return load_source(
            database,
            path,
            source_id=settings.source,
            policy=policy_of(settings),
            allow_file=named_source,
            now=SystemClock().now(),
        )


def seen_from_here(error: InvalidManifests, path: str) -> InvalidManifests:
    """The error with places that lead to the files from the working directory."""
    return InvalidManifests(
        from_here(error.problems, path),
        revision=error.revision,
        warnings=from_here(error.warnings, path),
    )


def actor() -> str:
    """Who asks, where no commit says so: the user of this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def key_of(kind: str, name: str) -> Key:
    """`name` or `workspace/name` as a key."""
    workspace, slash, name_in_it = name.partition("/")
    return Key(kind, workspace, name_in_it) if slash else Key(kind, "default", name)
