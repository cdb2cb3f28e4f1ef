"""The state that the settings name. What goes through a server is imported only then."""

from collections.abc import Iterator
from contextlib import contextmanager

from reconciler.cli.backend.state import State
from reconciler.core.base.errors import UsageError
from reconciler.settings import Settings


@contextmanager
def state_of(settings: Settings) -> Iterator[State]:
    """The server of the settings, or else their database."""
    if settings.server is None:
        from reconciler.cli.backend.local import LocalState

        yield LocalState(settings)
        return
    if settings.allow_command:
        raise UsageError(
            "--allow-command is for a database: a server allows what its own settings say; "
            "leave it out, or start the server with it"
        )
    from reconciler.cli.backend.connection import connected
    from reconciler.cli.backend.remote import RemoteState

    with connected(settings) as connection:
        yield RemoteState(settings, connection)
