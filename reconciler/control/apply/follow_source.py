"""The source that a server follows: loaded and applied, again whenever it changes.

A revision with Problems is recorded as failed and the last good one stays in force.
"""

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
from reconciler.core.base.errors import InvalidManifests, ReconcilerError, Refused, StalePlan
from reconciler.core.base.identity import Revision
from reconciler.core.manifest.state import Desired
from reconciler.core.plan.guards import Confirmations
from reconciler.store.engine.database import Database
from reconciler.store.objects.apply_context import TokenHash
from reconciler.store.revisions.revisions import Via

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Attempted:
    """The last attempt: its revision, and what was wrong with it if anything was."""

    revision: str | None
    error: ReconcilerError | None = None


@dataclass(slots=True)
class SourceFollower:
    """Applies what `load` gives. `load` raises InvalidManifests, Refused or Unavailable."""

    database: Database
    source_id: str
    load: Callable[[], Desired]
    token_hash: TokenHash
    self_heal: bool = True
    allow_rewrites: bool = False
    files: SourceFiles | None = None
    attempted: Attempted = field(default_factory=lambda: Attempted(None))

    def reconcile_once(self) -> Applied | None:
        """Load and apply. What is wrong is logged and recorded, and changes nothing in force."""
        try:
            desired = self.load()
            applied = apply_once(
                self.database, desired, self._request(), token_hash=self.token_hash
            )
        except InvalidManifests as error:
            self._failed(error)
        except (Refused, StalePlan) as error:
            log.error("revision refused", source=self.source_id, why=str(error))
            self.attempted = Attempted(None, error)
        except ReconcilerError as error:
            log.error("source not read", source=self.source_id, why=str(error))
            self.attempted = Attempted(None, error)
        else:
            self.attempted = Attempted(desired.revision.id)
            if applied.attempt is not None:
                log.info("revision applied", source=self.source_id, revision=desired.revision.id)
            return applied
        return None

    def _failed(self, error: InvalidManifests) -> None:
        for problem in error.problems:
            log.error("problem in a manifest", source=self.source_id, problem=str(problem))
        revision = error.revision or Revision("unknown")
        self.attempted = Attempted(revision.id, error)
        record_failure(self.database, self.source_id, revision, error, self._request())

    def _request(self) -> ApplyRequest:
        return ApplyRequest(
            actor="server",
            via=Via.SERVER,
            confirmations=Confirmations(allow_rewrites=self.allow_rewrites),
            self_heal=self.self_heal,
        )
