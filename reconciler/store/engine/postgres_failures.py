"""What PostgreSQL's error codes mean for the reader, and what to do about each."""

from sqlalchemy.exc import DBAPIError

from reconciler.core.base.errors import Conflict, Locked, ReconcilerError, Unavailable
from reconciler.store.engine.backend import PATIENCE, UNSTORABLE

_AGAIN = frozenset({"40001", "40P01"})
_LOCK_NOT_AVAILABLE = "55P03"
_READ_ONLY = "25006"

_SENTENCES: dict[str, str] = {
    "28P01": "the database {url} refused the password",
    "28000": "the database {url} refused the user",
    "3D000": "the database {url} does not exist; create it with `createdb`",
    "25006": "the database {url} is read-only: is it a standby?",
    "42501": "the database {url} does not allow this user to do that",
    "53100": "the disk of the database {url} is full",
    "53300": "the database {url} has no connection left; raise max_connections or stop other users",
    "57014": "the database {url} took too long for one statement and gave up",
    "57P01": "the database {url} is being shut down",
    "57P03": "the database {url} is starting up or shutting down",
    "25P03": "the database {url} ended a transaction that had been idle for too long",
}


def may_succeed_again(error: DBAPIError) -> bool:
    """Whether the database undid the transaction only because another one had to go first."""
    return _state(error) in _AGAIN


def explain(error: DBAPIError, url: str, *, reading: bool = False) -> ReconcilerError | None:
    """The domain error for what the driver raised, or None for what only our code can cause."""
    state = _state(error)
    if state == _LOCK_NOT_AVAILABLE:
        return Locked(
            f"another process kept its lock in the database {url} for {PATIENCE:.0f} s; try again"
        )
    if state in _AGAIN:
        return Locked(f"the database {url} is too busy with conflicting writes; try again")
    if reading and state == _READ_ONLY:
        return None  # our own READ ONLY: an error in the code
    if state in _SENTENCES:
        return Unavailable(_SENTENCES[state].format(url=url))
    if _cannot_be_stored(error):
        return Conflict(UNSTORABLE, reason="text-unstorable")
    if error.connection_invalidated or _never_connected(error):
        return Unavailable(f"the database {url} does not answer: {_first_line(error.orig)}")
    return None


def explain_driver(error: Exception, url: str) -> Unavailable | None:
    """The same for what the driver raised without SQLAlchemy; None for what is not its own."""
    if not type(error).__module__.startswith("psycopg"):
        return None
    state = getattr(error, "sqlstate", None)
    if state in _SENTENCES:
        return Unavailable(_SENTENCES[state].format(url=url))
    return Unavailable(f"the database {url} does not answer: {_first_line(error)}")


def _state(error: DBAPIError) -> str | None:
    state = getattr(error.orig, "sqlstate", None)
    return str(state) if state else None


def _cannot_be_stored(error: DBAPIError) -> bool:
    """The driver says so by itself, without a code of the server."""
    return _state(error) is None and "NUL" in str(error.orig)


def _never_connected(error: DBAPIError) -> bool:
    """A failure to connect has no statement and, when nobody listens, no code either."""
    return error.statement is None and type(error.orig).__name__ in {
        "OperationalError",
        "ConnectionTimeout",
    }


def _first_line(error: BaseException | None) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else "no reason given"
