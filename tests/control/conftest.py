"""The rig on both databases."""

from collections.abc import Iterator

import pytest

from reconciler.store.engine.database import Database
from tests.support.clock import FakeClock
from tests.support.rig import Rig


@pytest.fixture
def rig(database_url: str) -> Iterator[Rig]:
    """A system whose clock stands still, on SQLite and on PostgreSQL."""
    clock = FakeClock()
    with Database.open(database_url, clock=clock.now) as database:
        one = Rig(database, clock)
        yield one
        one.close()
