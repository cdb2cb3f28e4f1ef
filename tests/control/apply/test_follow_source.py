"""A followed source: what is good is applied, what is wrong is recorded and changes nothing."""

import json
from pathlib import Path

import pytest

from reconciler.control.apply.follow_source import SourceFollower
from reconciler.control.apply.sources import load_against
from reconciler.core.base.errors import InvalidManifests, Refused, Unavailable
from reconciler.core.manifest.checks import Policy
from reconciler.store.revisions.revisions import Attempt, list_attempts
from tests.support.rig import Document, Rig, agent, autopilot, hash_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the manifests are."""
    path = tmp_path / "manifests"
    path.mkdir()
    return path


@pytest.fixture
def follower(rig: Rig, folder: Path) -> SourceFollower:
    """Follows the folder."""

    def load() -> object:
        return load_against(rig.database, folder, source_id="default", policy=Policy())

    return SourceFollower(rig.database, "default", load, hash_of)  # type: ignore[arg-type]


def write(folder: Path, *documents: Document) -> None:
    """Make these the whole source."""
    (folder / "all.yaml").write_text("".join(f"---\n{json.dumps(entry)}\n" for entry in documents))


def attempts(rig: Rig) -> list[Attempt]:
    """What was tried, oldest first."""
    return rig.database.read(list_attempts)[::-1]


def results(rig: Rig) -> list[str]:
    """What became of each attempt, oldest first."""
    return [str(entry.result) for entry in attempts(rig)]


def test_an_edit_is_applied_and_noted(rig: Rig, folder: Path, follower: SourceFollower) -> None:
    write(folder, agent(), autopilot())
    applied = follower.reconcile_once()
    assert applied is not None
    assert applied.attempt is not None
    (attempt,) = attempts(rig)
    assert (attempt.result, attempt.actor, attempt.via) == ("applied", "server", "server")
    assert follower.attempted.revision == attempt.revision.id
    assert rig.live().title == "Triage"


def test_looking_again_changes_nothing(rig: Rig, folder: Path, follower: SourceFollower) -> None:
    write(folder, agent(), autopilot())
    follower.reconcile_once()
    again = follower.reconcile_once()
    assert again is not None
    assert again.attempt is None
    assert results(rig) == ["applied"]


def test_problems_are_recorded_once_and_what_is_in_force_stays(
    rig: Rig, folder: Path, follower: SourceFollower
) -> None:
    write(folder, agent(), autopilot())
    follower.reconcile_once()
    write(folder, agent(), autopilot(titel="Broken"), autopilot("added"))
    assert follower.reconcile_once() is None
    assert follower.reconcile_once() is None
    assert results(rig) == ["applied", "failed"]
    failed = attempts(rig)[1]
    assert "did you mean 'title'?" in failed.problems[0].message
    assert isinstance(follower.attempted.error, InvalidManifests)
    assert follower.attempted.revision == failed.revision.id
    assert rig.live().title == "Triage"
    write(folder, agent(), autopilot(title="Mended"))
    follower.reconcile_once()
    assert (results(rig)[-1], rig.live().title) == ("applied", "Mended")
    assert follower.attempted.error is None


def test_a_removal_of_all_is_refused_and_recorded(
    rig: Rig, folder: Path, follower: SourceFollower
) -> None:
    write(folder, agent(), *(autopilot(f"a{number}") for number in range(5)))
    follower.reconcile_once()
    write(folder, agent())
    assert follower.reconcile_once() is None
    assert isinstance(follower.attempted.error, Refused)
    assert results(rig) == ["applied", "refused"]
    assert not rig.live("a0").switches.archived


def test_a_folder_that_is_gone_or_empty_is_no_removal(
    rig: Rig, folder: Path, follower: SourceFollower
) -> None:
    write(folder, agent(), autopilot())
    follower.reconcile_once()
    (folder / "all.yaml").unlink()
    assert follower.reconcile_once() is None
    folder.rmdir()
    assert follower.reconcile_once() is None
    assert follower.attempted.error is not None
    assert not rig.live().switches.archived


def test_a_source_that_cannot_be_read_is_said_and_tried_again(rig: Rig) -> None:
    def load() -> object:
        raise Unavailable("the repository does not answer")

    follower = SourceFollower(rig.database, "default", load, hash_of)  # type: ignore[arg-type]
    assert follower.reconcile_once() is None
    assert str(follower.attempted.error) == "the repository does not answer"
    assert attempts(rig) == []
