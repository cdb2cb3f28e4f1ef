"""How an autopilot is made and edited: a form or YAML, its plan while one types, then the write.

The write is that of the API (web/writing): by `write_policy` it is saved, committed, proposed, or a
patch. Somebody else's change in between becomes a merge.
"""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from starlette.responses import Response

from reconciler.control.apply.policy import policy_of
from reconciler.control.apply.write_back import StaleWrite
from reconciler.core.base.errors import Conflict, InvalidManifests, NotFound, Problem
from reconciler.core.calendar.zone import timezones
from reconciler.core.manifest.defaults import autopilot_defaults, trigger_defaults
from reconciler.core.manifest.fields import NAME_PATTERN
from reconciler.core.manifest.state import Declared, Document
from reconciler.store.engine.database import Tx
from reconciler.store.objects.current import find
from reconciler.store.objects.overview import Overview, get_overview
from reconciler.web.api.autopilots import require_overview
from reconciler.web.http.problems import problem_of
from reconciler.web.pages.autopilots.detail import legible
from reconciler.web.pages.editor import choices
from reconciler.web.pages.editor.draft import Draft, acted, read_draft
from reconciler.web.pages.editor.form import empty, secret_lines, with_change
from reconciler.web.pages.editor.offers import (
    Chosen,
    Offers,
    channels_for,
    files_named,
    members_in,
    require_assignee,
    sources_for,
)
from reconciler.web.pages.editor.preview import Preview, preview_of
from reconciler.web.pages.editor.rules import EVENTS, is_for_nobody, rules_in
from reconciler.web.pages.editor.sections import DESCRIPTION_FILE, SECTIONS, TRIGGER_FIELDS
from reconciler.web.pages.serving import Visit, see_other
from reconciler.web.writing.edits import Beside, Edit
from reconciler.web.writing.outcome import (
    InForce,
    NotHere,
    Proposed,
    Unchanged,
    carry_out,
    source_of,
)
from reconciler.web.writing.plans import plan_of

LARGEST = 2 * 1024**2
"""Bytes of the form: a description of 100,000 characters travels three times, and is escaped."""
MOST_PROBLEMS = 100
"""Problems that a page shows, beside their number."""


@dataclass(frozen=True, slots=True)
class Editor:
    """What the page shows. `overview` is the autopilot, None for a new one."""

    draft: Draft
    overview: Overview | None
    source: str
    offers: Offers = field(default_factory=Offers)
    preview: Preview | None = None
    problems: Sequence[Problem] = ()
    problem_count: int = 0
    refusal: str | None = None
    outcome: NotHere | Proposed | None = None
    merged: bool = False

    def wrong(self, error: InvalidManifests) -> "Editor":
        """With what is wrong, as far as a page can show it: each field looks for its own."""
        problems = error.problems
        return replace(self, problems=problems[:MOST_PROBLEMS], problem_count=len(problems))

    @property
    def proposals(self) -> dict[str, str]:
        """Names for new files that its texts may move into, by the fields of the form."""
        name = str(self.draft.mine["metadata"].get("name", ""))
        if not re.fullmatch(NAME_PATTERN, name):
            return {}
        return {
            "spec.descriptionFrom.file": f"prompts/{name}.md",
            "spec.expectSchema.file": f"_schemas/{name}.json",
        }

    @property
    def defaults(self) -> Document:
        """What an empty field means."""
        return autopilot_defaults()


async def new(visit: Visit) -> Response:
    """The page of an autopilot that is not there yet; its form comes here too."""
    return await _page(visit, None)


async def edit(visit: Visit) -> Response:
    """The page on which an autopilot is edited; its form comes here too."""
    id_ = visit.path["id"].lower()
    stored = await visit.context.database.aread(lambda tx: require_overview(tx, id_, visit.caller))
    return await _page(visit, legible(stored))


async def change_trigger(visit: Visit) -> Response:
    """Switch a trigger on or off, or give a webhook a new URL: an edit of one value, saved at once.

    By the write policy it may become a patch or a proposal instead: the editor shows it.
    """
    id_, trigger_id = visit.path["id"].lower(), visit.path["trigger_id"].lower()
    stored = await visit.context.database.aread(lambda tx: require_overview(tx, id_, visit.caller))
    overview = legible(stored)
    document = overview.stored.document
    trigger = next((t for t in overview.triggers if t.id == trigger_id), None)
    if trigger is None:
        raise NotFound(f"there is no trigger {trigger_id}")
    change = visit.form.get("change", "")
    generation = str(trigger.document.get("tokenGeneration", 1))
    if change == "rotate" and visit.form.get("generation", "") != generation:
        # Pressed twice: a second new URL would end the grace of the one that senders still use.
        return see_other(f"/autopilots/{id_}")
    mine = with_change(document, trigger.name, change)
    source = source_of(visit.context, overview)
    draft = Draft(base=document, mine=mine)
    editor = await _previewed(visit, Editor(draft, overview, source))
    if editor.preview is None:
        return _shown(visit, editor)
    return await _save(visit, editor, editor.preview.edit)


async def _page(visit: Visit, overview: Overview | None) -> Response:
    """Show the form, or do what one of its buttons says.

    1. Read the draft that the form carries. Where somebody changed the manifest since, it goes on
       top of that: shown first, whatever the button was.
    2. Do what changes the form only.
    3. Check it, plan it, and save it where that was asked for.
    """
    editor = await visit.context.database.aread(lambda tx: _begin(tx, visit, overview))
    files = visit.context.files(editor.source)
    named = await asyncio.to_thread(files_named, overview, files)
    editor = replace(editor, offers=replace(editor.offers, files=named))
    if not visit.form:
        return _shown(visit, await _previewed(visit, editor))
    action = visit.form.get("action", "preview")
    beside = _beside(visit, overview, editor.source)
    if not editor.merged:
        try:
            editor = replace(
                editor, draft=acted(editor.draft, action, editor.offers.channel, beside)
            )
        except InvalidManifests as error:
            return _shown(visit, editor.wrong(error))
    editor = await _previewed(visit, editor)
    wanted = editor.preview.edit if editor.preview else None
    if action == "download" and editor.preview and editor.preview.patch:
        return _download(editor.preview)
    if action != "save" or editor.merged or wanted is None or editor.problems:
        return _shown(visit, editor)
    return await _save(visit, editor, wanted)


def _begin(tx: Tx, visit: Visit, overview: Overview | None) -> Editor:
    workspaces = visit.caller.workspaces
    if overview is not None:
        workspaces = frozenset({overview.stored.key.workspace})
    settings = visit.context.settings
    offers = Offers(
        members=members_in(tx, workspaces),
        sources=sources_for(tx, visit.caller, visit.context.followed()),
        programs=sorted(settings.programs),
        channels=channels_for(settings, workspaces),
    )
    source = source_of(visit.context, overview, visit.form.get("source") or None)
    document = overview.stored.document if overview else None
    fresh = _fresh(offers.members, workspaces)
    if not visit.form:
        return Editor(Draft(base=document, mine=document or fresh), overview, source, offers)
    draft = read_draft(visit.form, fresh, _beside(visit, overview, source))
    moved = overview is not None and draft.version != overview.stored.digest
    if moved and document is not None:
        draft = draft.onto(document)
    return Editor(draft, overview, source, offers, merged=moved)


def _fresh(members: Sequence[Chosen], workspaces: frozenset[str] | None) -> Document:
    """What a new one begins with: the default workspace, unless only others have agents."""
    workspace = "default" if workspaces is None else min(workspaces, default="default")
    first = next((each for each in members if each.workspace == workspace), None)
    first = first or next(iter(members), None)
    return empty(first.workspace, first.value) if first else empty(workspace, "agent:")


def _beside(visit: Visit, overview: Overview | None, source: str) -> Beside:
    """Reads what the manifest may name: files of its source, as they are now.

    Nothing for who is limited to workspaces: a file of texts may belong to another one.
    """
    files = visit.context.files(source) if visit.caller.workspaces is None else None
    origin = overview.stored.origin if overview else None
    workspace = visit.form.get("workspace", "").strip()
    # A new one will stand in the folder of its workspace; what is no name is no folder.
    folder = workspace if re.fullmatch(NAME_PATTERN, workspace) else "default"
    path = origin.path if origin else f"{folder}/new.yaml"
    return lambda name: files.beside(path, name) if files else None


async def _previewed(visit: Visit, editor: Editor) -> Editor:
    """With its plan, or with what is wrong."""
    if not visit.form and editor.overview is None:
        return editor
    try:
        policy = policy_of(visit.context.settings, serving=True)
        beside = _beside(visit, editor.overview, editor.source)
        # Whether a file is there would tell of files that may belong to other workspaces.
        makes_files = visit.caller.workspaces is None
        after = await asyncio.to_thread(
            editor.draft.checked, editor.source, policy, beside, makes_files=makes_files
        )
        before = await _before(visit, editor, after)
        if editor.offers.members:
            require_assignee(after, editor.offers.members)
    except InvalidManifests as error:
        return editor.wrong(error)
    except Conflict as error:
        return replace(editor, refusal=str(error))
    files, now = visit.context.files(editor.source), visit.context.clock.now()
    named, stands = editor.draft.named, editor.offers.files
    edit_ = Edit(
        before,
        after,
        named,
        made=await asyncio.to_thread(editor.draft.made, beside),
        moves=any(stands.get(into) != file for into, file in named.items()),
    )
    plan = await plan_of(visit.context, edit_, editor.source)
    preview = await asyncio.to_thread(preview_of, edit_, plan, files, visit.caller, now)
    return replace(editor, preview=preview)


async def _before(visit: Visit, editor: Editor, after: Declared) -> Overview | None:
    """What the edit is of. Raises Conflict for a new one of a name that is taken."""
    if not visit.caller.sees(after.key.workspace):
        raise Conflict(f"your token does not reach workspace {after.key.workspace}")
    if editor.overview is not None:
        return editor.overview

    def read(tx: Tx) -> Overview | None:
        stored = find(tx, after.key)
        return get_overview(tx, stored.id) if stored else None

    before = await visit.context.database.aread(read)
    if before is not None and not before.stored.archived:
        raise Conflict(f"there is an autopilot {after.key.workspace}/{after.key.name} already")
    return before


async def _save(visit: Visit, editor: Editor, wanted: Edit) -> Response:
    """Carry the edit out, and say what became of it; nothing of it is lost where that fails."""
    try:
        outcome = await carry_out(visit.context, visit.caller, wanted, editor.source)
    except StaleWrite:
        return await _merge(visit, editor)
    except InvalidManifests as error:
        return _shown(visit, editor.wrong(error))
    except Exception as error:
        if (problem := problem_of(error)).status == 500:
            raise
        return _shown(visit, replace(editor, refusal=problem.detail), problem.status)
    match outcome:
        case Unchanged(overview):
            return see_other(f"/autopilots/{overview.stored.id}")
        case InForce(id_, commit):
            return see_other(f"/autopilots/{id_}?saved={commit or 'yes'}")
        case _:
            return _shown(visit, replace(editor, outcome=outcome))


async def _merge(visit: Visit, editor: Editor) -> Response:
    """Somebody wrote while this was being saved: read it again, and show both."""
    id_ = editor.preview.edit.id if editor.preview else ""
    overview = await visit.context.database.aread(lambda tx: get_overview(tx, id_))
    if overview is None or editor.draft.base is None:
        return _shown(visit, replace(editor, refusal="somebody else made or removed it just now"))
    document = legible(overview).stored.document
    editor = replace(editor, overview=overview, draft=editor.draft.onto(document), merged=True)
    return _shown(visit, await _previewed(visit, editor))


def _shown(visit: Visit, editor: Editor, status: int = 200) -> Response:
    writer = visit.context.writer(editor.source)
    policy = visit.context.settings.write_policy if writer else "reject"
    action = visit.form.get("action", "")
    return visit.page("edit.html", status, **shown_with(editor, policy, action))


def shown_with(editor: Editor, policy: str, action: str) -> dict[str, Any]:
    """What the template asks for. `action` is the button that brought the page about."""
    return {
        "editor": editor,
        "policy": policy,
        "choices": choices,
        "description_file": DESCRIPTION_FILE,
        "sections": SECTIONS,
        "trigger_fields": TRIGGER_FIELDS,
        "trigger_defaults": trigger_defaults,
        "opened": "notify" if "notify" in action else "",
        "rules": rules_in(editor.draft.mine["spec"]),
        "for_nobody": is_for_nobody(editor.draft.mine["spec"]),
        "events": EVENTS,
        "secret_lines": secret_lines,
        "zones": sorted(timezones()),
    }


def _download(preview: Preview) -> Response:
    name = preview.edit.after.key.name if preview.edit.after else "autopilot"
    return Response(
        preview.patch,
        media_type="text/x-diff; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{name}.patch"',
            "Cache-Control": "no-store",
        },
    )
