"""What a plan must not do without a confirmation.

The rules are in docs/plan.md#nothing-is-deleted-by-accident.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from reconciler.core.base import errors
from reconciler.core.base.errors import Objection
from reconciler.core.manifest.model import DeletionPolicy
from reconciler.core.manifest.state import Document, Stored
from reconciler.core.plan.changes import Archive
from reconciler.core.plan.plan import Plan


@dataclass(frozen=True, slots=True)
class Confirmations:
    """What somebody said beforehand: `--confirm-deletes N` and `--allow-rewrites`."""

    deletes: int | None = None
    allow_rewrites: bool = False


@dataclass(frozen=True, slots=True)
class RemovalLimit:
    """Removals beyond both, a number and a share of the source's rows, need confirmation.

    Where a source is `followed` nobody is there to confirm, and a folder that is emptied file by
    file must not pass: the `recent` removals, those within `REMOVAL_WINDOW`, count too. Revisions
    that are `whole`, as commits are, each count alone.
    """

    number: int = 3
    percent: int = 30
    followed: bool = False
    whole: bool = False
    recent: int = 0


REMOVAL_WINDOW = timedelta(minutes=10)
UNCONFIRMED = Confirmations()
DEFAULT_LIMIT = RemovalLimit()


def require_safe(
    plan: Plan, confirmations: Confirmations = UNCONFIRMED, limit: RemovalLimit = DEFAULT_LIMIT
) -> None:
    """Return if the plan may be applied.

    Raises `errors.Blocked` if anything is blocked, else `errors.UnsafePlan`; either carries every
    objection, and each objection names the flag that would lift it, if there is one.
    """
    reasons = objections(plan, confirmations, limit)
    if plan.blocked:
        raise errors.Blocked(reasons)
    if reasons:
        raise errors.UnsafePlan(reasons)


def objections(
    plan: Plan, confirmations: Confirmations = UNCONFIRMED, limit: RemovalLimit = DEFAULT_LIMIT
) -> tuple[Objection, ...]:
    """Every reason why the plan may not be applied."""
    removed = [change.before for change in plan.changes if isinstance(change, Archive)]
    return (
        *(Objection(b.code, f"{b.key}: {b.message}", str(b.key)) for b in plan.blocked),
        *_no_objects(plan, len(removed)),
        *_too_many(plan, len(removed), confirmations, limit),
        *(_protected(row) for row in removed if is_protected(row)),
        *_rewrite(plan, confirmations),
    )


def is_protected(row: Stored) -> bool:
    """Whether the row says `deletionPolicy: protect`, as it is or as it was last applied.

    The manifest that said so is gone when this is asked; the row remembers.
    """
    documents = (row.document, row.applied)
    return any(_policy(document) == DeletionPolicy.PROTECT for document in documents if document)


def _policy(document: Document) -> str | None:
    policy: str | None = document["spec"].get("deletionPolicy")
    return policy


def _no_objects(plan: Plan, removals: int) -> Iterator[Objection]:
    """A missing or empty path is refused; manifests that hold no object any more may be meant."""
    if plan.facts.declared:
        return
    if not plan.facts.files:
        yield Objection("empty-source", f"source {plan.source_id!r} holds no manifests at all")
    elif not removals:
        yield Objection("empty-source", f"source {plan.source_id!r} declares no object")


def _too_many(
    plan: Plan, removals: int, confirmed: Confirmations, limit: RemovalLimit
) -> Iterator[Objection]:
    owned = plan.facts.owned
    total, before = removals + limit.recent, owned + limit.recent
    # Sources of three objects may lose one, and large ones a third; what went lately still counts.
    many = total > limit.number and total * 100 > before * limit.percent
    if removals == 0 or not (many or removals == owned) or confirmed.deletes == removals:
        return
    what = f"all {owned}" if removals == owned else f"{removals} of the {owned}"
    since = f", after {limit.recent} within ten minutes" if limit.recent else ""
    flag = f"--confirm-deletes {removals}"
    remedy = _by_hand(plan, flag) if limit.followed else f"say {flag}"
    if confirmed.deletes is not None:
        remedy += f", not {confirmed.deletes}"
    yield Objection(
        "removals",
        f"{what} objects of source {plan.source_id!r} would be archived{since}; "
        f"if that is meant, {remedy}",
        confirm=flag,
    )


def _by_hand(plan: Plan, flag: str) -> str:
    source = "" if plan.source_id == "default" else f" --source {plan.source_id}"
    return f"run `reconciler apply PATH{source} {flag}` beside the server"


def _protected(row: Stored) -> Objection:
    return Objection(
        "protected",
        f"{row.key}: it left the source but has deletionPolicy: protect; put it back, or first "
        "apply it with deletionPolicy: archive",
        str(row.key),
    )


def _rewrite(plan: Plan, confirmed: Confirmations) -> Iterator[Objection]:
    if confirmed.allow_rewrites or plan.facts.descends in (True, None):
        return
    if plan.facts.descends == "shallow":
        yield Objection(
            "rewrite",
            "the history of this clone is cut off (it is shallow), so that nobody can tell whether "
            f"revision {plan.revision.id} descends from the one that is applied; fetch all of it "
            "(git fetch --unshallow, or fetch-depth: 0 for actions/checkout), or if a rewrite is "
            "meant, say --allow-rewrites",
            confirm="--allow-rewrites",
        )
    else:
        yield Objection(
            "rewrite",
            f"revision {plan.revision.id} does not descend from the one that is applied, which a "
            "late job or a force push would undo; if that is meant, say --allow-rewrites",
            confirm="--allow-rewrites",
        )
