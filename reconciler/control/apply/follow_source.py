"""The source that a server follows: loaded and applied, again whenever it changes.

A revision with Problems is recorded as failed and the last good one stays in force.
"""

import threading
import time
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from reconciler.clock import SystemClock
from reconciler.collector import collecting_rarely
from reconciler.control.apply.reconcile import (
    Applied,
    ApplyRequest,
    Mark,
    apply_once,
    mark_of,
    record_failure,
    record_refusal,
)
from reconciler.control.apply.source_files import SourceFiles
from reconciler.control.apply.sources import LoadedSource
from reconciler.control.apply.write_back import SourceWriter
from reconciler.core.base.capped import capped
from reconciler.core.base.errors import (
    InvalidManifests,
    ReconcilerError,
    Refused,
    StalePlan,
    Unavailable,
)
from reconciler.core.base.identity import Revision
from reconciler.core.manifest.model import Retry
from reconciler.core.manifest.state import Desired, FileDigest
from reconciler.core.plan.guards import Confirmations, RemovalLimit
from reconciler.core.plan.plan import Plan
from reconciler.core.runs.retry import backoff
from reconciler.manifest.load.checkpoint import Checkpoint
from reconciler.store.engine.database import Database
from reconciler.store.objects.apply_context import TokenHash
from reconciler.store.revisions.revisions import Via

log = structlog.get_logger(__name__)

QUIET = 5.0
"""Seconds without a change after which a folder is believed that something left it."""
READ_ANYWAY = 600.0
"""Seconds after which everything is read, even if nothing seems to have changed."""
_ATTEMPTS = 3
"""How often a plan is made again that another server's apply made stale."""
_MOST_REASONS = 20
_UNREACHABLE = Retry(backoff=timedelta(seconds=5), max_backoff=timedelta(minutes=5))
"""A remote that does not answer is soon asked again, and then less and less often."""


class _Stopping(Exception):
    """The server stops: what is being loaded is given up."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a source is followed from: `path` on this machine, or in a ref of the repository."""

    path: str
    url: str | None = None
    ref: str | None = None


@dataclass(frozen=True, slots=True)
class Polled:
    """The last time that the place was read, and why it could not be if it could not."""

    at: datetime
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Attempted:
    """The last attempt: its revision, and what was wrong with it if anything was."""

    revision: str | None
    error: ReconcilerError | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """How the following of a source goes. `polled` is None before the first time."""

    place: Place
    polled: Polled | None = None


@dataclass(frozen=True, slots=True)
class _Pending:
    """Files of which some are missing, and the moment from which on they were just so."""

    files: tuple[FileDigest, ...]
    since: float


@dataclass(frozen=True, slots=True)
class _Settled:
    """A round after which source and database agreed, and what tells that both are still so."""

    source: Hashable
    database: Mark
    at: float
    applied: Applied


def _unchanged(applied: Applied) -> Applied:
    """What a round gives that finds all as this one left it.

    It is kept until the next edit, and must not hold every row and manifest alive.
    """
    plan = replace(applied.plan, changes=(), refreshes=(), surroundings=None)
    return Applied(plan, None)


def unknown(_checkpoint: Checkpoint) -> None:
    """Nothing tells whether a source has changed: it is read each time."""


@dataclass(slots=True)
class SourceFollower:
    """Applies what `load` gives. `load` raises InvalidManifests, Refused or Unavailable.

    `retry_after` is set to seconds where the next round should come sooner than the poll, or where
    the remote does not answer. `monotonic` is a clock in seconds that never goes back. `stamp`
    returns something that is equal while the source is as it was, None where that cannot be told:
    then a round that finds nothing new neither reads a file nor puts an object together. `reads`
    counts the rounds that read the source, `files_read` the files of the last one.
    """

    database: Database
    source_id: str
    load: Callable[[Checkpoint], LoadedSource]
    token_hash: TokenHash
    self_heal: bool = True
    allow_rewrites: bool = False
    files: SourceFiles | None = None
    writer: SourceWriter | None = None
    place: Place = Place("")
    monotonic: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = field(default_factory=lambda: SystemClock().now)
    attempted: Attempted = field(default_factory=lambda: Attempted(None))
    polled: Polled | None = None
    retry_after: float | None = None
    stamp: Callable[[Checkpoint], Hashable | None] = unknown
    _unreachable: int = 0
    _stopping: bool = False
    _round: threading.Lock = field(default_factory=threading.Lock)
    reads: int = 0
    files_read: int = 0
    _pending: _Pending | None = None
    _settled: _Settled | None = None

    def reconcile_once(self) -> Applied | None:
        """Load and apply. What is wrong is logged and recorded, and changes nothing in force."""
        with self._round, collecting_rarely(), suppress(_Stopping):
            return self._reconcile()
        return None

    def _reconcile(self) -> Applied | None:
        self.retry_after = None
        # Before the load: what changes during it is noticed by the next round.
        stamp = self.stamp(self._checkpoint)
        if self._settled is not None and self._still(self._settled, stamp):
            self._read()
            return self._settled.applied
        self._settled = None
        self.reads += 1
        try:
            loaded, applied = self._load_and_apply()
        except InvalidManifests as error:
            self._pending = None
            self._failed(error)
        except Refused as error:
            self._note("revision refused", error)
            self._record_unplanned(error)
        except StalePlan as error:
            self._note("revision refused", error)
        except ReconcilerError as error:
            self._note("source not read", error)
        else:
            revision = loaded.desired.revision
            self.attempted = Attempted(revision.id)
            if applied.attempt is not None:
                log.info(
                    "revision applied",
                    source=self.source_id,
                    revision=revision.id,
                    author=revision.author,
                    subject=revision.subject,
                )
            if stamp is not None and applied.left is not None:
                self._settled = _Settled(stamp, applied.left, self.monotonic(), _unchanged(applied))
            return applied
        return None

    @property
    def position(self) -> Position:
        """Where it is followed from, and how that goes."""
        return Position(self.place, self.polled)

    def is_as_read(self) -> bool:
        """Whether the last round settled, and the source is as it was then; asks no database."""
        with self._round, suppress(_Stopping):
            settled = self._settled
            return settled is not None and self.stamp(self._checkpoint) == settled.source
        return False

    def stop(self) -> None:
        """Give up what is being loaded, now and from now on; from any thread."""
        self._stopping = True

    def wait_until_stopped(self, seconds: float) -> bool:
        """Wait for the end of the round that was given up, so that git is ended before us."""
        if stopped := self._round.acquire(timeout=seconds):
            self._round.release()
        return stopped

    def _checkpoint(self) -> None:
        if self._stopping:
            raise _Stopping

    def _load(self) -> LoadedSource:
        try:
            loaded = self.load(self._checkpoint)
        except Unavailable as error:
            self._unreachable += 1
            self.polled = Polled(self.now(), str(error))
            if self.place.url is not None:
                self.retry_after = backoff(_UNREACHABLE, self._unreachable).total_seconds()
            raise
        except (InvalidManifests, Refused):
            self._read()
            raise
        self._read()
        self.files_read = len(loaded.desired.files)
        if self.place.url is not None and loaded.source is not None:
            # The commit that was read, for whoever wants to show an edit of it.
            path = self.place.path.strip("/")
            self.files = SourceFiles(loaded.source, f"{path}/" if path else "")
        return loaded

    def _read(self) -> None:
        self._unreachable, self.polled = 0, Polled(self.now())

    def _still(self, settled: _Settled, stamp: Hashable | None) -> bool:
        """Whether source and database are as they were. An edit is read without asking further."""
        if stamp != settled.source or self.monotonic() - settled.at >= READ_ANYWAY:
            return False
        try:
            return self.database.read(mark_of) == settled.database
        except ReconcilerError:
            return False  # the round itself says what is wrong with the database

    def _load_and_apply(self) -> tuple[LoadedSource, Applied]:
        """Load, plan and apply; again where a server beside this one applied something meanwhile.

        Servers that share a database may follow the same folder, and notice an edit together.
        """
        for attempt in range(_ATTEMPTS):
            loaded = self._load()
            if attempt == 0 and self._may_be_behind(loaded):
                continue
            plan = loaded.plan(self_heal=self.self_heal)
            if not self._may_apply(loaded, plan):
                return loaded, Applied(plan, None)
            try:
                return loaded, self._apply(loaded, plan)
            except StalePlan:
                if attempt == _ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable")  # pragma: no cover

    def _may_be_behind(self, loaded: LoadedSource) -> bool:
        """Whether a server beside this one may have applied what was pushed since our fetch.

        Its commit is then newer than ours, which would look like a rewrite of history. If another
        fetch gives no newer one either, it is a rewrite.
        """
        precedent = loaded.seen.current.precedent
        if self.place.url is None or loaded.descends is None or precedent is None:
            return False
        return loaded.descends(precedent) is False

    def _apply(self, loaded: LoadedSource, plan: Plan) -> Applied:
        request = self._request(loaded, plan)
        desired, seen = loaded.desired, loaded.seen
        return apply_once(self.database, desired, request, token_hash=self.token_hash, seen=seen)

    def _may_apply(self, loaded: LoadedSource, plan: Plan) -> bool:
        """Whether nothing leaves the source, or it has been quiet for long enough to believe it.

        A file that is written anew is empty or missing for a moment, and a folder that is being
        emptied loses its files one by one. A commit is whole, and is not waited for.
        """
        if not plan.summary.archive or loaded.desired.revision.committed_at is not None:
            self._pending = None
            return True
        now, files = self.monotonic(), loaded.desired.files
        if self._pending is None or self._pending.files != files:
            self._pending = _Pending(files, now)
        remaining = self._pending.since + QUIET - now
        self.retry_after = max(0.1, remaining) if remaining > 0 else None
        return remaining <= 0

    def _record_unplanned(self, error: Refused) -> None:
        """A commit whose folder is missing or empty was tried too, and shows in history."""
        if error.revision is not None:
            desired = Desired(self.source_id, error.revision, {})
            record_refusal(self.database, desired, self._request(), error)

    def _failed(self, error: InvalidManifests) -> None:
        revision = error.revision or Revision("unknown")
        if self._is_news(Attempted(revision.id, error)):
            shown = capped(error.problems)
            for problem in shown.problems:
                log.error("problem in a manifest", source=self.source_id, problem=str(problem))
            if shown.more:
                log.error("more problems in manifests", source=self.source_id, more=shown.more)
        record_failure(self.database, self.source_id, revision, error, self._request())

    def _note(self, event: str, error: ReconcilerError) -> None:
        if self._is_news(Attempted(None, error)):
            reasons = str(error).split("\n")
            more = f"\n… and {len(reasons) - _MOST_REASONS:,} more"
            why = "\n".join(reasons[:_MOST_REASONS])
            why += more if len(reasons) > _MOST_REASONS else ""
            log.error(event, source=self.source_id, why=why)

    def _is_news(self, attempted: Attempted) -> bool:
        """Note an attempt that went wrong; return False where the one before went wrong alike."""
        before, self.attempted = self.attempted, attempted
        return (before.revision, type(before.error), str(before.error)) != (
            attempted.revision,
            type(attempted.error),
            str(attempted.error),
        )

    def _request(
        self, loaded: LoadedSource | None = None, plan: Plan | None = None
    ) -> ApplyRequest:
        return ApplyRequest(
            actor="server",
            via=Via.SERVER,
            confirmations=Confirmations(allow_rewrites=self.allow_rewrites),
            limit=RemovalLimit(followed=True, whole=self.place.url is not None),
            self_heal=self.self_heal,
            descends=loaded.descends if loaded else None,
            expected=plan,
        )
