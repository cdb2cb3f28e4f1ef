"""What the fields of an edit offer to choose from, as far as the one who edits may use it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from reconciler.control.apply.source_files import SourceFiles
from reconciler.core.manifest.checks.notify import LOG_CHANNEL, is_open_to
from reconciler.core.manifest.model import Kind
from reconciler.manifest.edit.edit import CannotEdit, references_of
from reconciler.settings import Settings
from reconciler.store.engine.database import Tx
from reconciler.store.objects.members import list_members
from reconciler.store.objects.overview import Overview

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
        Chosen(f"{kind.lower()}:{member.stored.key.name}", member.stored.key.workspace)
        for kind in (Kind.AGENT, Kind.SQUAD)
        for member in list_members(tx, kind, workspaces=workspaces, limit=MOST_MEMBERS)
    ]


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
