"""The source that a server follows: loaded and applied, again whenever it changes.

A revision with Problems is recorded as failed and the last good one stays in force.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from reconciler.control.apply.reconcile import (
    Applied,
    ApplyRequest,
    apply_once,
    record_failure,
)
from reconciler.control.apply.source_files import SourceFiles
from reconciler.control.apply.sources import LoadedSource
from reconciler.core.base.capped import capped
from reconciler.core.base.errors import InvalidManifests, ReconcilerError, Refused, StalePlan
from reconciler.core.base.identity import Revision
from reconciler.core.manifest.state import FileDigest
from reconciler.core.plan.guards import Confirmations, RemovalLimit
from reconciler.core.plan.plan import Plan
from reconciler.store.engine.database import Database
from reconciler.store.objects.apply_context import TokenHash
from reconciler.store.revisions.revisions import Via

log = structlog.get_logger(__name__)

QUIET = 5.0
"""Seconds without a change after which a folder is believed that something left it."""
_ATTEMPTS = 3
"""How often a plan is made again that another server's apply made stale."""
_MOST_REASONS = 20


@dataclass(frozen=True, slots=True)
class Attempted:
    """The last attempt: its revision, and what was wrong with it if anything was."""

    revision: str | None
    error: ReconcilerError | None = None


@dataclass(frozen=True, slots=True)
class _Pending:
    """Files of which some are missing, and the moment from which on they were just so."""

    files: tuple[FileDigest, ...]
    since: float


@dataclass(slots=True)
class SourceFollower:
    """Applies what `load` gives. `load` raises InvalidManifests, Refused or Unavailable.

    `retry_after` is set to seconds where the next round should not wait for the poll. `monotonic`
    is a clock in seconds that never goes back.
    """

    database: Database
    source_id: str
    load: Callable[[], LoadedSource]
    token_hash: TokenHash
    self_heal: bool = True
    allow_rewrites: bool = False
    files: SourceFiles | None = None
    monotonic: Callable[[], float] = time.monotonic
    attempted: Attempted = field(default_factory=lambda: Attempted(None))
    retry_after: float | None = None
    _pending: _Pending | None = None

    def reconcile_once(self) -> Applied | None:
        """Load and apply. What is wrong is logged and recorded, and changes nothing in force."""
        self.retry_after = None
        try:
            loaded, applied = self._load_and_apply()
        except InvalidManifests as error:
            self._pending = None
            self._failed(error)
        except (Refused, StalePlan) as error:
            self._note("revision refused", error)
        except ReconcilerError as error:
            self._note("source not read", error)
        else:
            revision = loaded.desired.revision.id
            self.attempted = Attempted(revision)
            if applied.attempt is not None:
                log.info("revision applied", source=self.source_id, revision=revision)
            return applied
        return None

    def _load_and_apply(self) -> tuple[LoadedSource, Applied]:
        """Load, plan and apply; again where a server beside this one applied something meanwhile.

        Servers that share a database may follow the same folder, and notice an edit together.
        """
        for attempt in range(_ATTEMPTS):
            loaded = self.load()
            plan = loaded.plan(self_heal=self.self_heal)
            if not self._may_apply(loaded, plan):
                return loaded, Applied(plan, None)
            try:
                return loaded, self._apply(loaded, plan)
            except StalePlan:
                if attempt == _ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable")  # pragma: no cover

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
            limit=RemovalLimit(followed=True),
            self_heal=self.self_heal,
            descends=loaded.descends if loaded else None,
            expected=plan,
        )
