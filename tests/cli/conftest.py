"""A command line in a folder of its own."""

from pathlib import Path

import pytest

from tests.support.cli import Cli


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Runs commands in an empty folder."""
    return Cli.make(tmp_path, monkeypatch)
