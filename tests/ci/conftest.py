"""A repository of manifests with a pull request, and the forge that it is on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import BOT, Cli, autopilot
from tests.support.comments_api import ForgeServer, a_forge
from tests.support.git import GitFolder


@pytest.fixture
def forge() -> Iterator[ForgeServer]:
    with a_forge() as forge:
        yield forge


class PullRequest:
    """A checkout of a branch. `base` is the commit that it goes onto."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.repository = GitFolder.make(folder)
        self.push(bot=BOT, report=autopilot("report"))
        self.base = self.repository.git("rev-parse", "HEAD").strip()

    def push(self, **files: str) -> None:
        """Commit manifests."""
        place = self.folder / "autopilots"
        place.mkdir(exist_ok=True)
        for name, text in files.items():
            (place / f"{name}.yaml").write_text(text)
        self.repository.git("add", "-A")
        self.repository.git("commit", "--quiet", "-m", "change")


@pytest.fixture
def pull_request(tmp_path: Path) -> PullRequest:
    return PullRequest(tmp_path / "repository")


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Runs commands in an empty folder."""
    return Cli.make(tmp_path, monkeypatch)
