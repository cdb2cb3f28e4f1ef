"""What becomes of an edit: YAML is the source of truth (docs/write-back.md).

The API and the pages carry edits out through here, so that no second writer can come to be.
"""

import asyncio
from dataclasses import dataclass

from reconciler.control.apply.write_back import WriteRequest, Written
from reconciler.core.access.roles import Caller
from reconciler.core.manifest.state import Origin
from reconciler.core.plan.plan import Plan
from reconciler.store.objects.overview import Overview
from reconciler.web.http.context import Context
from reconciler.web.writing.edits import Edit
from reconciler.web.writing.patch import suggested_patch
from reconciler.web.writing.plans import plan_of


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The object is already as it is asked to be."""

    overview: Overview


@dataclass(frozen=True, slots=True)
class InForce:
    """It was written, and is in force; `commit` where it became one."""

    id: str
    commit: str | None


@dataclass(frozen=True, slots=True)
class Proposed:
    """It is a commit on a branch of its own, which somebody merges."""

    written: Written


@dataclass(frozen=True, slots=True)
class NotHere:
    """This server does not write it: where it belongs, its plan, and a patch where one can be made.

    `why` is the sentence. `origin` is None for an object that is not there yet.
    """

    why: str
    origin: Origin | None
    plan: Plan
    patch: str | None


Outcome = Unchanged | InForce | Proposed | NotHere


async def carry_out(context: Context, caller: Caller, edit: Edit, source: str) -> Outcome:
    """Write the edit into its source, as `write_policy` has it.

    Raises StaleWrite where the object is no longer as the edit has it, and what
    `SourceWriter.write` raises.
    """
    if edit.writes_nothing and edit.before is not None:
        return Unchanged(edit.before)
    stored = edit.before.stored if edit.before else None
    if writer := context.writer(source):
        request = WriteRequest(
            before=stored, after=edit.after, caller=caller, named=edit.named, made=edit.made
        )
        written = await asyncio.to_thread(writer.write, request)
        return InForce(edit.id, written.commit) if written.applied else Proposed(written)
    origin = stored.origin if stored and not stored.archived else None
    patch = await asyncio.to_thread(suggested_patch, edit, context.files(source), caller)
    return NotHere(_where(edit, origin), origin, await plan_of(context, edit, source), patch)


def source_of(context: Context, before: Overview | None, named: str | None = None) -> str:
    """The source that an edit goes into: the object's own, the one named, or the only one."""
    own = before.stored.source_id if before else None
    if own or named:
        return own or named or ""
    followed = context.followed()
    return next(iter(followed)) if len(followed) == 1 else context.settings.source


def _where(edit: Edit, origin: Origin | None) -> str:
    if origin is not None:
        return (
            f"manifests are changed in git, not here: edit {origin.path}:{origin.line} and apply it"
        )
    if edit.after is None:
        return "manifests are changed in git, not here, and no source owns this object"
    name = f"{edit.after.key.workspace}/{edit.after.key.name}.yaml"
    return f"manifests are made in git, not here: add {name} and apply it"
