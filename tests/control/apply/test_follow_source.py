"""A followed source: what is good is applied, what is wrong is recorded and changes nothing."""

import gc
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from reconciler.control.apply.follow_source import QUIET, READ_ANYWAY, SourceFollower
from reconciler.control.apply.inventory import attempt_document
from reconciler.control.apply.reconcile import Applied, ApplyRequest, apply_once
from reconciler.control.apply.sources import LoadedSource, load_source
from reconciler.core.base.errors import InvalidManifests, Refused, Unavailable
from reconciler.core.manifest.checks import Policy
from reconciler.core.manifest.state import Declared, Stored
from reconciler.core.plan.guards import Confirmations
from reconciler.manifest.git.stamp import RACY_NS, FolderStamps, Stamp
from reconciler.manifest.load.checkpoint import Checkpoint, proceed
from reconciler.store.engine.database import Tx
from reconciler.store.revisions.revisions import Attempt, Via, list_attempts
from tests.support.applying import current_of
from tests.support.git import GitFolder
from tests.support.rig import Document, Rig, agent, autopilot, hash_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the manifests are."""
    path = tmp_path / "manifests"
    path.mkdir()
    return path


@dataclass
class Following:
    """A follower whose clock is the rig's."""

    rig: Rig
    folder: Path
    follower: SourceFollower = field(init=False)

    def __post_init__(self) -> None:
        def load(checkpoint: Checkpoint) -> LoadedSource:
            return load_source(
                self.rig.database,
                self.folder,
                source_id="default",
                policy=Policy(),
                checkpoint=checkpoint,
            )

        self.follower = SourceFollower(
            self.rig.database, "default", load, hash_of, monotonic=self.rig.clock.monotonic
        )

    def once(self, after: float = 0.0) -> Applied | None:
        """A round, `after` seconds later."""
        self.rig.clock.advance(seconds=after)
        return self.follower.reconcile_once()

    def quietly(self) -> Applied | None:
        """Two rounds between which the folder was quiet for long enough."""
        self.once()
        return self.once(after=QUIET)


@pytest.fixture
def following(rig: Rig, folder: Path) -> Following:
    """Follows the folder."""
    return Following(rig, folder)


@pytest.fixture
def follower(following: Following) -> SourceFollower:
    """Follows the folder."""
    return following.follower


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
    rig: Rig, folder: Path, following: Following
) -> None:
    write(folder, agent(), *(autopilot(f"a{number}") for number in range(5)))
    following.once()
    write(folder, agent())
    assert following.quietly() is None
    error = following.follower.attempted.error
    assert isinstance(error, Refused)
    assert "run `reconciler apply PATH --confirm-deletes 5` beside the server" in str(error)
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
    def load(_checkpoint: Checkpoint) -> object:
        raise Unavailable("the repository does not answer")

    follower = SourceFollower(rig.database, "default", load, hash_of)  # type: ignore[arg-type]
    assert follower.reconcile_once() is None
    assert str(follower.attempted.error) == "the repository does not answer"
    assert attempts(rig) == []


def names(rig: Rig) -> set[str]:
    """The live autopilots."""
    return {row.key.name for row in current_of(rig.database).objects.values()} - {"bot"}


def separately(folder: Path, *documents: Document) -> None:
    """One file for each object."""
    for document in documents:
        path = folder / f"{document['metadata']['name']}.yaml"
        path.write_text(json.dumps(document))


def test_what_leaves_is_archived_once_the_folder_has_been_quiet(
    rig: Rig, folder: Path, following: Following
) -> None:
    separately(folder, agent(), *(autopilot(f"a{number}") for number in range(10)))
    following.once()
    (folder / "a0.yaml").unlink()
    waiting = following.once()
    assert waiting is not None
    assert (waiting.attempt, waiting.plan.summary.archive) == (None, 1)
    assert following.follower.retry_after == QUIET
    (folder / "a1.yaml").write_text(json.dumps(autopilot("a1", title="Edited meanwhile")))
    following.once(after=QUIET - 1)
    assert "a0" in names(rig)
    following.once(after=QUIET)
    assert "a0" not in names(rig)
    assert following.follower.retry_after is None


def test_a_file_that_is_rewritten_slowly_is_not_archived_in_the_gap(
    rig: Rig, folder: Path, following: Following
) -> None:
    separately(folder, agent(), *(autopilot(f"a{number}") for number in range(10)))
    following.once()
    (folder / "a0.yaml").write_text("")
    following.once(after=1)
    (folder / "a0.yaml").write_text(json.dumps(autopilot("a0", title="Rewritten")))
    following.once(after=QUIET)
    assert rig.live("a0").title == "Rewritten"
    assert [attempt.counts.get("archive") for attempt in attempts(rig)] == [0, 0]


def test_a_folder_that_is_emptied_bit_by_bit_does_not_slip_past_the_guard(
    rig: Rig, folder: Path, following: Following
) -> None:
    separately(folder, agent(), *(autopilot(f"a{number:02}") for number in range(20)))
    following.once()
    for number in range(20):
        (folder / f"a{number:02}.yaml").unlink()
        following.quietly()
    assert len(names(rig)) == 20 - 6, "30 % of 21 objects"
    error = following.follower.attempted.error
    assert isinstance(error, Refused)
    assert "after 6 within ten minutes" in str(error)


def test_removals_count_for_ten_minutes_only(rig: Rig, folder: Path, following: Following) -> None:
    separately(folder, agent(), *(autopilot(f"a{number}") for number in range(9)))
    following.once()
    for number in range(3):
        (folder / f"a{number}.yaml").unlink()
    following.quietly()
    (folder / "a3.yaml").unlink()
    assert following.quietly() is None
    assert "a3" in names(rig)
    following.once(after=600)
    assert "a3" not in names(rig)


def test_a_removal_that_was_confirmed_by_hand_is_not_counted(
    rig: Rig, folder: Path, following: Following
) -> None:
    separately(folder, agent(), *(autopilot(f"a{number}") for number in range(9)))
    following.once()
    for number in range(6):
        (folder / f"a{number}.yaml").unlink()
    following.quietly()
    loaded = following.follower.load(proceed)
    request = ApplyRequest(actor="ada", via=Via.CLI, confirmations=Confirmations(deletes=6))
    apply_once(rig.database, loaded.desired, request, token_hash=hash_of)
    (folder / "a6.yaml").unlink()
    assert following.quietly() is not None
    assert names(rig) == {"a7", "a8"}


def test_servers_that_notice_an_edit_together_do_not_get_in_each_others_way(
    rig: Rig, folder: Path, following: Following
) -> None:
    """The other server applies the same edit between this one's reading and its transaction."""
    write(folder, agent(), autopilot())
    following.once()
    other = Following(rig, folder)
    write(folder, agent(), autopilot(title="Edited"))
    load = following.follower.load

    def load_then_other(checkpoint: Checkpoint) -> LoadedSource:
        loaded = load(checkpoint)
        other.once()
        return loaded

    following.follower.load = load_then_other
    assert following.once() is not None
    assert following.follower.attempted.error is None
    assert results(rig) == ["applied", "applied"]


def test_a_plan_that_another_server_made_stale_is_made_again(
    rig: Rig, folder: Path, following: Following
) -> None:
    write(folder, agent(), autopilot())
    following.once()
    write(folder, agent(), autopilot(title="Ours"))
    load, others = following.follower.load, [0]

    def load_then_other(checkpoint: Checkpoint) -> LoadedSource:
        loaded = load(checkpoint)
        if not others[0]:
            others[0] = 1
            text = (folder / "all.yaml").read_text()
            write(folder, agent(), autopilot(title="Theirs"))
            Following(rig, folder).once()
            (folder / "all.yaml").write_text(text)
        return loaded

    following.follower.load = load_then_other
    assert following.once() is not None
    assert rig.live().title == "Ours"
    assert "refused" not in results(rig)


class TestCheckout:
    """A folder inside a git checkout."""

    @pytest.fixture
    def repository(self, folder: Path) -> GitFolder:
        made = GitFolder.make(folder)
        write(folder, agent(), autopilot())
        made.commit("First")
        return made

    def test_a_clean_one_is_known_by_its_commit(
        self, rig: Rig, repository: GitFolder, following: Following
    ) -> None:
        following.once()
        (attempt,) = attempts(rig)
        commit = repository.git("rev-parse", "HEAD")
        assert (attempt.revision.id, attempt.revision.subject) == (commit, "First")
        assert attempt.revision.author == "Ada Lovelace <ada@example.org>"
        assert rig.launch().commit == commit

    def test_what_was_edited_and_then_committed_is_known_by_the_commit(
        self, rig: Rig, folder: Path, repository: GitFolder, following: Following
    ) -> None:
        following.once()
        write(folder, agent(), autopilot(title="Edited"))
        following.once()
        assert rig.launch().commit is None
        commit = repository.commit("Second")
        following.once()
        assert attempts(rig)[-1].revision.id == commit
        assert rig.launch().commit == commit

    def test_an_older_commit_is_refused(
        self, rig: Rig, folder: Path, repository: GitFolder, following: Following
    ) -> None:
        first = repository.git("rev-parse", "HEAD")
        write(folder, agent(), autopilot(title="Newer"))
        repository.commit("Second")
        following.once()
        write(folder, agent(), autopilot(title="Edited by hand"))
        following.once()  # a folder's digest lies above the newer commit
        write(folder, agent(), autopilot(title="Newer"))
        repository.git("checkout", "--quiet", first)
        assert following.once() is None
        assert isinstance(following.follower.attempted.error, Refused)
        following.follower.allow_rewrites = True
        assert following.once() is not None
        assert rig.live().title == "Triage"

    def test_a_commit_is_whole_and_its_removals_are_not_waited_for(
        self, rig: Rig, folder: Path, repository: GitFolder, following: Following
    ) -> None:
        write(folder, agent(), *(autopilot(f"a{number}") for number in range(5)))
        repository.commit("Five")
        following.once()
        write(folder, agent(), *(autopilot(f"a{number}") for number in range(4)))
        repository.commit("Four")
        following.once()
        assert "a4" not in names(rig)


def test_many_problems_are_stored_and_logged_up_to_a_cap(
    rig: Rig, folder: Path, following: Following
) -> None:
    (folder / "all.yaml").write_text("---\na\n" * 20_000)
    with capture_logs() as logs:
        following.once()
        following.once()
    (attempt,) = attempts(rig)
    assert len(attempt.problems) == 100
    assert attempt.problem_count >= 20_000
    assert len(json.dumps(attempt_document(attempt))) < 100_000
    assert len(logs) == 101, "once, not with every round"
    assert logs[-1]["more"] == attempt.more_problems


@pytest.fixture
def frugal(following: Following) -> Following:
    """A follower that is told whether its folder is as it was; the files are old enough."""
    following.follower.stamp = lambda _checkpoint: later_stamp(following.folder)
    return following


def later_stamp(folder: Path) -> Stamp | None:
    """The stamp of a folder in which nothing has changed for long."""
    return FolderStamps(folder).at(time.time_ns() + 60 * 10**9)


def test_a_round_that_finds_nothing_new_reads_nothing(frugal: Following) -> None:
    write(frugal.folder, agent(), autopilot("triage"))
    applied = frugal.once()
    assert applied is not None
    assert applied.attempt is not None
    reads = frugal.follower.reads
    assert frugal.follower.files_read == len(list(frugal.folder.rglob("*.yaml")))
    settled = frugal.once()
    assert settled is not None
    assert (settled.attempt, frugal.follower.reads) == (None, reads)
    frugal.once(after=READ_ANYWAY)
    frugal.once()
    assert frugal.follower.reads == reads + 1


def test_after_a_round_it_is_told_without_the_database_whether_the_files_are_as_they_were(
    frugal: Following,
) -> None:
    write(frugal.folder, agent(), autopilot("triage"))
    assert not frugal.follower.is_as_read()
    frugal.once()
    frugal.rig.database.close()
    assert frugal.follower.is_as_read()
    write(frugal.folder, agent(), autopilot("triage", title="By git"))
    assert not frugal.follower.is_as_read()


def test_between_rounds_no_row_and_no_manifest_stays_in_memory(frugal: Following) -> None:
    write(frugal.folder, agent(), autopilot("triage"))
    frugal.rig.database.release_memory()  # a statement that is new would hold what it was made with
    held = held_in_memory()  # by whatever ran before in this process
    for _ in range(3):
        frugal.once()
    assert not held_in_memory() - held


def held_in_memory() -> set[int]:
    """Which rows and manifests are alive, by their place in memory."""
    gc.collect()
    return {id(thing) for thing in gc.get_objects() if isinstance(thing, (Stored, Declared))}


@pytest.mark.parametrize("rounds", [1, 3])
def test_an_edit_and_a_hand_in_the_database_are_noticed_all_the_same(
    frugal: Following, rounds: int
) -> None:
    write(frugal.folder, agent(), autopilot("triage"))
    for _ in range(rounds):
        frugal.once()
    edit = text("UPDATE autopilot SET title = 'By hand'")
    frugal.rig.database.write(lambda tx: tx.execute(edit) and None)
    healed = frugal.once()
    assert healed is not None
    assert healed.attempt is not None
    for _ in range(rounds):
        frugal.once()
    write(frugal.folder, agent(), autopilot("triage", title="By git"))
    frugal.once()
    assert frugal.rig.live().title == "By git"


@pytest.mark.parametrize("many", [500, 0], ids=["few changes", "many changes"])
def test_a_hand_in_the_database_while_an_edit_is_applied_is_noticed_by_the_next_round(
    frugal: Following, monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    """It comes after the plan was made and before it is written, at a row that the plan spares."""
    monkeypatch.setattr("reconciler.control.apply.reconcile._MANY", many)
    write(frugal.folder, agent(), autopilot("triage"), autopilot("other"))
    frugal.once()
    write(frugal.folder, agent(), autopilot("triage", title="By git"), autopilot("other"))
    edit = text("UPDATE autopilot SET title = 'By hand' WHERE name = 'other'")

    def by_hand(tx: Tx) -> None:
        tx.execute(edit)

    monkeypatch.setattr(frugal.rig.database, "prepare", by_hand)
    frugal.once()
    monkeypatch.undo()
    assert frugal.rig.live("other").title == "By hand"
    frugal.once()
    assert (frugal.rig.live().title, frugal.rig.live("other").title) == ("By git", "Triage")


@pytest.mark.parametrize("change", ["edit", "touch back", "prompt", "link", "delete"])
def test_the_stamp_of_a_folder_tells_every_change(tmp_path: Path, change: str) -> None:
    folder = tmp_path / "source"
    (folder / "deep").mkdir(parents=True)
    manifest, prompt, link = folder / "deep/a.yaml", folder / "prompt.md", folder / "b.yaml"
    manifest.write_text("one")
    prompt.write_text("one")
    (tmp_path / "target").write_text("one")
    link.symlink_to(tmp_path / "target")
    before = later_stamp(folder)
    assert before == later_stamp(folder)
    match change:
        case "edit":
            manifest.write_text("two")
        case "touch back":
            times = manifest.stat()
            manifest.write_text("two")
            os.utime(manifest, ns=(times.st_atime_ns, times.st_mtime_ns))
        case "prompt":
            prompt.write_text("two")
        case "link":
            (tmp_path / "target").write_text("two")
        case "delete":
            manifest.unlink()
    assert later_stamp(folder) != before


@pytest.mark.parametrize("through", ["file", "link"])
def test_a_file_that_changes_twice_within_a_tick_is_noticed(tmp_path: Path, through: str) -> None:
    """Its sizes and times are then as they were; often enough among so many attempts."""
    folder = tmp_path / "source"
    manifest = folder / "a.yaml" if through == "file" else folder / "..data" / "a.yaml"
    manifest.parent.mkdir(parents=True)
    manifest.write_text("one")
    if through == "link":
        (folder / "a.yaml").symlink_to("..data/a.yaml")
    for first, second in [("one", "two"), ("two", "one")] * 25:
        stamps = FolderStamps(folder)
        manifest.write_text(first)
        before = stamps.at(time.time_ns())
        manifest.write_text(second)
        assert before is not None
        assert stamps.at(time.time_ns() + 2 * RACY_NS) != before


def test_an_edit_is_read_in_one_round_however_soon_the_others_come(following: Following) -> None:
    stamps = FolderStamps(following.folder)

    def once(passed: int) -> None:
        """A round so many nanoseconds from now, by the clock of files."""
        following.follower.stamp = lambda _checkpoint: stamps.at(time.time_ns() + passed)
        following.once()

    write(following.folder, agent(), autopilot("triage"))
    for passed in (0, 0, RACY_NS, 2 * RACY_NS, 60 * RACY_NS):
        once(passed)
    assert following.follower.reads == 1
    write(following.folder, agent(), autopilot("triage", title="Edited"))
    for passed in (0, 2 * RACY_NS):
        once(passed)
    assert following.follower.reads == 2
    assert following.rig.live().title == "Edited"
