"""The stand-in within the test, on virtual time: the real waits, and none of them waited."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from reconciler.dispatch.aegis.runtime import AegisSessions
from tests.dispatch.aegis.runtime_kit import sessions_of
from tests.support.aegis.local import LocalAegis
from tests.support.virtual_time import virtual_backend


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """Asyncio, its clock jumping."""
    return virtual_backend()


@pytest.fixture
async def server() -> LocalAegis:
    """A stand-in after its first start."""
    return LocalAegis()


@pytest.fixture
async def runtime(server: LocalAegis) -> AsyncIterator[AegisSessions]:
    """The runtime of one of our servers."""
    async with sessions_of(server) as made:
        yield made
