"""What the fields of an edit offer to choose from, as far as the one who edits may use it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from reconciler.control.apply.follow_source import Position
from reconciler.control.apply.source_files import SourceFiles
from reconciler.core.access.roles import Caller
from reconciler.core.base.codes import Code
from reconciler.core.base.errors import InvalidManifests, Problem
from reconciler.core.base.near import did_you_mean
from reconciler.core.manifest.checks.notify import LOG_CHANNEL, is_open_to
from reconciler.core.manifest.model import Kind
from reconciler.core.manifest.state import Declared
from reconciler.manifest.edit.edit import CannotEdit, references_of
from reconciler.settings import Settings
from reconciler.store.engine.database import Tx
from reconciler.store.objects.names import member_names
from reconciler.store.objects.overview import Overview
from reconciler.web.models.source import source_views

MOST_MEMBERS = 500


@dataclass(frozen=True, slots=True)
class Chosen:
    """An agent or a squad to choose from."""

    value: str
    workspace: str


@dataclass(frozen=True, slots=True)
class Offers:
    """`files` are the fields whose text stands in a file of its own, and that file."""

    members: Sequence[Chosen] = ()
    sources: Sequence[str] = ()
    programs: Sequence[str] = ()
    channels: Sequence[str] = ()
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def channel(self) -> str:
        """The one that a new row begins with: one that reaches people, if there is any."""
        return next((name for name in self.channels if name != LOG_CHANNEL), LOG_CHANNEL)


def members_in(tx: Tx, workspaces: frozenset[str] | None) -> list[Chosen]:
    """The agents and squads of some workspaces, None for all."""
    return [
        Chosen(f"{kind.lower()}:{name}", workspace)
        for kind in (Kind.AGENT, Kind.SQUAD)
        for workspace, name in member_names(tx, kind, workspaces, MOST_MEMBERS)
    ]


def require_assignee(after: Declared, members: Sequence[Chosen]) -> None:
    """Return where the agents and squads that there are include the assignee.

    Raises InvalidManifests, which says what was probably meant.
    """
    assignee, workspace = after.document["spec"]["assignee"], after.key.workspace
    kind, name = assignee["type"], assignee["id"]
    known = {each.value for each in members if each.workspace == workspace}
    # With so many of them there are more that were not read.
    if f"{kind}:{name}" in known or len(members) >= MOST_MEMBERS:
        return
    near = did_you_mean(name, [value.partition(":")[2] for value in known])
    message = f"there is no {kind} '{name}' in workspace '{workspace}'{near}"
    place = (after.origin.path, 1, 1, "spec.assignee.id")
    raise InvalidManifests([Problem(*place, message, Code.ASSIGNEE_UNKNOWN)])


def sources_for(tx: Tx, caller: Caller, followed: Mapping[str, Position]) -> list[str]:
    """The sources that are followed and of which the caller may know, by name."""
    if len(followed) < 2:  # there is nothing to choose
        return sorted(followed)
    return [view.id for view in source_views(tx, caller, followed) if view.id in followed]


def channels_for(settings: Settings, workspaces: frozenset[str] | None) -> list[str]:
    """The channels that are open to any of the workspaces."""
    return sorted(
        name
        for name, allowed in settings.channel_workspaces.items()
        if workspaces is None or any(is_open_to(allowed, workspace) for workspace in workspaces)
    )


def files_named(overview: Overview | None, files: SourceFiles | None) -> dict[str, str]:
    """The texts of an autopilot that its manifest keeps in files of their own, by their fields."""
    if overview is None or files is None or overview.stored.origin is None:
        return {}
    data = files.read(overview.stored.origin.path)
    if data is None:
        return {}
    try:
        references = references_of(data, overview.stored.key)
    except CannotEdit:
        return {}
    return {reference.field.into: reference.file for reference in references}
