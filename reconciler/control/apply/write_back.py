"""Writes of manifests: the edit of an object becomes an edit of its source, and is applied.

How the edited source is kept differs (write_folder.py, write_git.py); what must hold before
anything is written does not, and is here (docs/write-back.md).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from reconciler.control.apply.reconcile import ApplyRequest, apply_once
from reconciler.control.apply.sources import LoadedSource, Opened, load_opened
from reconciler.core.access.roles import Caller
from reconciler.core.base.errors import Conflict, InvalidManifests, Refused, StalePlan
from reconciler.core.base.identity import Key
from reconciler.core.manifest.checks import Policy
from reconciler.core.manifest.state import Declared, Stored
from reconciler.core.plan.changes import Archive, Create, Move, Restore, Update
from reconciler.core.plan.guards import Confirmations, RemovalLimit, require_safe
from reconciler.core.plan.plan import Plan
from reconciler.store.engine.database import Database
from reconciler.store.objects.apply_context import TokenHash
from reconciler.store.objects.current import find
from reconciler.store.revisions.revisions import Via

log = structlog.get_logger(__name__)

_ATTEMPTS = 3
"""How often a plan is made again that another apply made stale."""
_FOLLOWED = RemovalLimit(followed=True)


class StaleWrite(Exception):
    """The object is no longer as the request saw it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteRequest:
    """One object before and after, None where it is not there, and who asks for it.

    `named` has the fields whose text is to stand in a file of its own, and that file; those in
    `made` are not there yet.
    """

    before: Stored | None
    after: Declared | None
    caller: Caller
    named: Mapping[str, str] = field(default_factory=dict)
    made: frozenset[str] = frozenset()

    @property
    def live(self) -> Stored | None:
        """The row that the request changes; None for a creation."""
        return None if self.before is None or self.before.archived else self.before

    @property
    def key(self) -> Key:
        """What names the object: afterwards, or before its removal."""
        if self.after is not None:
            return self.after.key
        if self.before is None:
            raise ValueError("a write of nothing")
        return self.before.key

    def is_all_of(self, plan: Plan) -> bool:
        """Whether a plan does just what is asked for, and nothing else."""
        match plan.changes:
            case []:  # a text that moves into a file of its own means the same
                live, after = self.live, self.after
                same = live is not None and after is not None and live.digest == after.digest
                return same and bool(self.named)
            case [Archive(before)]:
                return self.after is None and self.live is not None and before.id == self.live.id
            case [Create(after)]:
                return self.live is None and self._is_wanted(after)
            case [Update(before, after) | Move(before, after) | Restore(before, after)]:
                same = self.live is None or before.id == self.live.id
                return same and self._is_wanted(after)
        return False

    def _is_wanted(self, after: Declared) -> bool:
        wanted = self.after
        return wanted is not None and (after.key, after.digest) == (wanted.key, wanted.digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What became of a write.

    `applied` is False for a commit that waits on a branch of its own. `pull_request` is its URL;
    `problem` says why there is none where one was to be opened.
    """

    applied: bool = True
    commit: str | None = None
    branch: str | None = None
    pull_request: str | None = None
    problem: str | None = None


class SourceWriter(Protocol):
    """Carries out writes of one source."""

    def write(self, request: WriteRequest) -> Written:
        """Write, or change nothing.

        Raises StaleWrite, InvalidManifests for what the request would make wrong, Refused where a
        guard stops it, Conflict where the source does not allow it now, Locked and Unavailable.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteChecks:
    """What must hold before anything is written, and how it comes into force."""

    database: Database
    source_id: str
    policy: Policy
    token_hash: TokenHash
    self_heal: bool = True
    allow_rewrites: bool = False

    def require_fresh(self, request: WriteRequest) -> None:
        """Raise StaleWrite unless the object is as the request saw it; while the turn is held."""
        live = request.live
        row = self.database.read(lambda tx: find(tx, live.key if live else request.key))
        if (row.id, row.digest) != (live.id, live.digest) if row and live else row or live:
            raise StaleWrite

    def check(
        self, request: WriteRequest, edited: Opened, unedited: Opened, *, whole: bool
    ) -> tuple[LoadedSource, Plan]:
        """The edited source and its plan, which is just what is asked for.

        1. Load the edited source: the manifests are valid, or nothing is written.
        2. What else the source holds and is not in force yet is applied first, as the server does
           by itself a moment later. `whole` says that what left the source left it for good, and
           is not a file that an editor is about to write.
        3. The plan must be the request, and the guards must allow it.
        """
        try:
            loaded = self._load(edited)
        except InvalidManifests:
            self._require_valid(request, unedited)
            raise
        plan = self._plan(loaded)
        if not request.is_all_of(plan) and not _is_blocked(plan, request.key):
            self._settle(request, unedited, whole=whole)
            loaded = self._load(edited)
            plan = self._plan(loaded)
        if not _is_blocked(plan, request.key) and not request.is_all_of(plan):
            raise _unsettled(request, _difference(plan, request))
        require_safe(plan, self._confirmations(request), _FOLLOWED)
        return loaded, plan

    def apply(
        self,
        request: WriteRequest,
        loaded: LoadedSource,
        plan: Plan,
        reopen: Callable[[], Opened],
    ) -> None:
        """Bring what was written into force.

        The server's own loop may notice it first: then nothing is left to do. A crash before or in
        here loses nothing, since the source is valid and is applied at the next start.
        """
        confirmations = self._confirmations(request)
        for attempt in range(_ATTEMPTS):
            try:
                self._apply(loaded, plan, request.caller.name, Via.API, confirmations)
                log.info("manifest written", object=str(request.key), actor=request.caller.name)
                return
            except StalePlan:
                if attempt == _ATTEMPTS - 1:
                    raise
            loaded = self._load(reopen())
            plan = self._plan(loaded)

    def _load(self, opened: Opened) -> LoadedSource:
        return load_opened(self.database, opened, source_id=self.source_id, policy=self.policy)

    def _plan(self, loaded: LoadedSource) -> Plan:
        return loaded.plan(self_heal=self.self_heal)

    def _require_valid(self, request: WriteRequest, unedited: Opened) -> None:
        try:
            self._load(unedited)
        except InvalidManifests as error:
            raise _unsettled(request, f"{error.problems[0]}") from None

    def _settle(self, request: WriteRequest, unedited: Opened, *, whole: bool) -> None:
        """Apply what the source says without the edit."""
        try:
            loaded = self._load(unedited)
            plan = self._plan(loaded)
            if plan.summary.archive and not whole:
                raise _unsettled(request, f"{plan.summary.archive} objects have left it just now")
            confirmations = Confirmations(allow_rewrites=self.allow_rewrites)
            self._apply(loaded, plan, "server", Via.SERVER, confirmations)
        except InvalidManifests as error:
            raise _unsettled(request, f"{error.problems[0]}") from None
        except (Refused, StalePlan) as error:
            raise _unsettled(request, str(error)) from None

    def _apply(
        self,
        loaded: LoadedSource,
        plan: Plan,
        actor: str,
        via: Via,
        confirmations: Confirmations,
    ) -> None:
        request = ApplyRequest(
            actor=actor,
            via=via,
            confirmations=confirmations,
            limit=_FOLLOWED,
            self_heal=self.self_heal,
            descends=loaded.descends,
            expected=plan,
        )
        apply_once(
            self.database,
            loaded.desired,
            request,
            token_hash=self.token_hash,
            seen=loaded.seen,
        )

    def _confirmations(self, request: WriteRequest) -> Confirmations:
        """Who asks for one removal by its id confirms it."""
        deletes = 1 if request.after is None else None
        return Confirmations(deletes=deletes, allow_rewrites=self.allow_rewrites)


def _is_blocked(plan: Plan, key: Key) -> bool:
    return any(blocked.key == key for blocked in plan.blocked)


def _unsettled(request: WriteRequest, why: str) -> Conflict:
    """The refusal of a write; who sees some workspaces only is not told of what is in others."""
    reason = why if request.caller.workspaces is None else "/v1/status says more to those who may"
    message = f"nothing was written, because the source is not in order with this edit: {reason}"
    return Conflict(message, reason="source-unsettled")


def _difference(plan: Plan, request: WriteRequest) -> str:
    others = [f"{change.action} {change.key}" for change in plan.changes]
    shown = ", ".join(others[:5]) + (", …" if len(others) > 5 else "")
    return f"with the edit of {request.key} its plan would be: {shown or 'no change'}"
