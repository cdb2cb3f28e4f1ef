"""The same command with a database and through a server that runs as a process."""

from collections.abc import Iterator

import pytest

from tests.support.cli import Cli
from tests.support.process import site

WAYS = ("local", "remote")


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, cli: Cli) -> Iterator[Cli]:
    """Runs commands in an empty folder; `remote` names a server of the same database to them."""
    if request.param == "local":
        yield cli
        return
    with site(cli.folder, f"sqlite:///{cli.database}") as place:
        place.follows = ()
        cli.monkeypatch.setenv("RECONCILER_SERVER", place.serve().url)
        yield cli
