"""What the tests of the runtimes share."""

from collections.abc import Iterator

import pytest

from tests.support.aegis.process import Aegis, running


@pytest.fixture
def anyio_backend() -> str:
    """The server runs on asyncio."""
    return "asyncio"


@pytest.fixture(scope="session")
def aegis_process() -> Iterator[Aegis]:
    """One stand-in for all tests of this process."""
    with running() as aegis:
        yield aegis


@pytest.fixture
def aegis(aegis_process: Aegis) -> Aegis:
    """The stand-in as after its first start."""
    aegis_process.control(reset=True)
    return aegis_process
