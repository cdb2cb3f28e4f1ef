"""Manifests to Desired: everything valid, or every Problem of every file at once.

Nothing here knows a database: what was applied before comes in as `reuse`, what other sources
have as `external`.
"""

import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from pathlib import Path

from reconciler.collector import collecting_rarely
from reconciler.core.base.errors import InvalidManifests, Objection, Problem, Refused, UsageError
from reconciler.core.base.identity import Key, Revision
from reconciler.core.manifest.checks import OFFLINE, Policy
from reconciler.core.manifest.state import Declared, Desired, FileDigest
from reconciler.manifest.files import Bundle, SingleFile, Source, Stream
from reconciler.manifest.folder import Folder
from reconciler.manifest.known import KnownFiles
from reconciler.manifest.load.checkpoint import Checkpoint, proceed
from reconciler.manifest.load.gather import Reading, Reuse, gather
from reconciler.manifest.load.relate import Places, relate, warn

External = Callable[[Key], bool] | Collection[Key]
"""The objects of other sources."""
STDIN = "-"


@collecting_rarely()
def load(
    source: Source,
    *,
    source_id: str,
    revision: Revision | Callable[[], Revision | None] | None = None,
    policy: Policy = OFFLINE,
    external: External = (),
    allow_external: bool = False,
    reuse: Reuse | None = None,
    checkpoint: Checkpoint = proceed,
    now: datetime | None = None,
    known: KnownFiles | None = None,
) -> Desired:
    """What the source's manifests say.

    1. Read each file; one whose digest `reuse` knows is not parsed again.
    2. Hold the objects against each other.
    3. Refuse the whole if anything is wrong, or if there is nothing.

    `revision` is the commit, or is asked for it once the files are read; by default it is the
    digest of the files. Raises InvalidManifests with every Problem in path and line order and the
    revision, and Refused for a source without manifests.

    With `now` the result, or InvalidManifests, has warnings as of that moment. `checkpoint` is
    called before each file and often within one; what it raises ends the load. With `known`, a file
    that is as it was in the load before is not even read, where the source can tell.
    """
    reading = Reading(policy, checkpoint=checkpoint, known=known or KnownFiles())
    gathered = gather(source, reading, reuse or _nothing)
    has = external if callable(external) else external.__contains__
    places = Places(source, checkpoint)
    between = relate(
        gathered,
        places=places,
        external=has,
        allow_external=allow_external,
        near_misses=reading.near_misses,
        checkpoint=checkpoint,
    )
    known_revision = revision() if callable(revision) else revision
    revision = known_revision or Revision(gathered.contents)
    problems = [*gathered.problems, *between]
    warnings: Iterable[Problem] = ()
    if now:
        warnings = sorted(warn(gathered, now, policy=policy, places=places, checkpoint=checkpoint))
    if problems:
        raise InvalidManifests(problems, revision=revision, warnings=warnings)
    if not gathered.objects:
        raise _refused("empty-source", "the source holds no manifests")
    objects = {
        key: loaded.declare(source_id, revision.id) for key, loaded in gathered.objects.items()
    }
    return Desired(source_id, revision, objects, tuple(gathered.files), tuple(warnings))


def load_path(
    path: str | Path,
    *,
    source_id: str,
    revision: Revision | None = None,
    policy: Policy = OFFLINE,
    external: External = (),
    allow_external: bool = False,
    reuse: Reuse | None = None,
    allow_file: bool = False,
    checkpoint: Checkpoint = proceed,
) -> Desired:
    """What the manifests at a path say: a folder, a file (with `allow_file`), or `-` for stdin.

    Raises what `load` raises, and Refused for a path that is missing and for a single file that
    is not allowed: the given path is the whole source (docs/plan.md).
    """
    return load(
        source_at(path, allow_file=allow_file),
        source_id=source_id,
        revision=revision,
        policy=policy,
        external=external,
        allow_external=allow_external,
        reuse=reuse,
        checkpoint=checkpoint,
    )


def load_bundle(contents: Mapping[str, bytes], *, source_id: str, **options: object) -> Desired:
    """What manifests in memory say: paths to bytes. Options and errors are those of `load`."""
    return load(Bundle(contents), source_id=source_id, **options)  # type: ignore[arg-type]


def source_at(path: str | Path, *, allow_file: bool = False) -> Source:
    """The source that a command line names. Raises Refused."""
    if str(path) == STDIN:
        if sys.stdin is None:
            raise UsageError("nothing can be read: stdin is closed")
        return Stream.read(sys.stdin.buffer)
    place = Path(path)
    if place.is_dir():
        return Folder(place)
    if not place.exists():
        raise _refused("source-missing", f"there is nothing at {path}")
    if not allow_file:
        raise _refused(
            "single-file",
            f"{path} is a single file, and the given path is the whole source: everything else "
            "would be archived; give its folder, or name a source of its own with --source",
        )
    return SingleFile(place)


def reuse_of(files: Mapping[str, FileDigest], objects: Mapping[Key, Declared]) -> Reuse:
    """Take over what was applied: files by path as they were, and their objects by name."""

    def reuse(path: str, digest: str) -> list[Declared] | None:
        known = files.get(path)
        if known is None or known.digest != digest or not all(k in objects for k in known.keys):
            return None
        return [objects[key] for key in known.keys]

    return reuse


def _nothing(_path: str, _digest: str) -> None:
    return None


def _refused(code: str, message: str) -> Refused:
    return Refused([Objection(code, message)])
