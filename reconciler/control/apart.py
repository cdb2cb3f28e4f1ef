"""Keeping what goes wrong with one run, or one autopilot, from the others of a round."""

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager

import structlog

from reconciler.core.base.errors import Locked, Unavailable

log = structlog.get_logger(__name__)


@contextmanager
def apart(failures: MutableMapping[str, str], id_: str, event: str) -> Iterator[None]:
    """Let the others go on, and log once what went wrong with this one.

    `failures` is what was logged last, by id. Raises Locked and Unavailable, which no run causes.
    """
    try:
        yield
    except (Locked, Unavailable):
        raise
    except Exception as error:
        if failures.get(id_) != repr(error):
            failures[id_] = repr(error)
            log.exception(event, id=id_)
