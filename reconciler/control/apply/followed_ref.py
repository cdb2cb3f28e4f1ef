"""A followed ref of a repository: fetched once a round; what did not change is not read."""

from collections.abc import Hashable
from dataclasses import dataclass, field

from reconciler.control.apply.sources import LoadedSource, Opened, load_commit, open_commit
from reconciler.core.base.errors import ReconcilerError
from reconciler.core.manifest.checks import Policy
from reconciler.manifest.git.mirror import Fetched, Mirror
from reconciler.manifest.known import KnownFiles
from reconciler.manifest.load.checkpoint import Checkpoint
from reconciler.store.engine.database import Database


@dataclass(slots=True)
class FollowedRef:
    """The folder `path` of what `ref` names at the remote.

    `stamp` and `load` are those of a SourceFollower, which calls them one after the other.
    """

    database: Database
    mirror: Mirror
    ref: str
    path: str
    source_id: str
    policy: Policy
    _known: KnownFiles = field(default_factory=KnownFiles)
    _fetched: Fetched | ReconcilerError | None = None
    """What this round's stamp fetched, or why it could not; the first load of the round uses it."""

    def stamp(self, checkpoint: Checkpoint) -> Hashable | None:
        """Fetch, and return the commit; None where it cannot be fetched, which `load` raises."""
        try:
            self._fetched = self.mirror.fetch(self.ref, checkpoint)
        except ReconcilerError as error:
            self._fetched = error
            return None
        return self._fetched[1]

    def load(self, checkpoint: Checkpoint) -> LoadedSource:
        """The manifests of the commit. Raises what `open_commit` and `load_opened` raise.

        Whoever loads again in a round does so because the commit may be another one by now.
        """
        return load_commit(
            self.database,
            self.mirror,
            self._open(checkpoint),
            source_id=self.source_id,
            policy=self.policy,
            checkpoint=checkpoint,
        )

    def _open(self, checkpoint: Checkpoint) -> Opened:
        fetched, self._fetched = self._fetched, None
        if isinstance(fetched, ReconcilerError):
            raise fetched
        fetched = fetched or self.mirror.fetch(self.ref, checkpoint)
        return open_commit(self.mirror, fetched, self.path, self._known)
