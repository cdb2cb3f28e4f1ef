"""The state that the settings name. What goes through a server is imported only then."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from reconciler.cli.backend.run_state import RunState
from reconciler.cli.backend.state import State
from reconciler.cli.session import opened
from reconciler.core.base.errors import UsageError
from reconciler.settings import Settings

if TYPE_CHECKING:
    from reconciler.cli.backend.connection import Connection


@contextmanager
def state_of(settings: Settings) -> Iterator[State]:
    """The server of the settings, or else their database."""
    if settings.server is None:
        from reconciler.cli.backend.local import LocalState

        yield LocalState(settings)
        return
    from reconciler.cli.backend.remote import RemoteState

    with _connected(settings) as connection:
        yield RemoteState(settings, connection)


@contextmanager
def runs_of(settings: Settings) -> Iterator[RunState]:
    """The runs of the server of the settings, or else of their database."""
    if settings.server is None:
        from reconciler.cli.backend.local_runs import LocalRuns

        with opened(settings) as database:
            database.require_current_schema()
            yield LocalRuns(settings, database)
        return
    from reconciler.cli.backend.remote_runs import RemoteRuns

    with _connected(settings) as connection:
        yield RemoteRuns(connection)


@contextmanager
def _connected(settings: Settings) -> Iterator["Connection"]:
    if settings.allow_command:
        raise UsageError(
            "--allow-command is for a database: a server allows what its own settings say; "
            "leave it out, or start the server with it"
        )
    from reconciler.cli.backend.connection import connected

    with connected(settings) as connection:
        yield connection
