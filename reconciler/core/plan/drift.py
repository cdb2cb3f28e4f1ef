"""Drift: what the database holds is no longer what was last applied (docs/plan.md#drift).

What was applied is known from two places that no single edit by hand can change: the digest beside
each row, and the names of the objects in each file as it was last applied.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from reconciler.core.base.identity import Key
from reconciler.core.manifest.model import Kind
from reconciler.core.manifest.state import Current, FileDigest, Origin, Stored
from reconciler.core.plan.fielddiff import FieldChange, field_changes

Inventory = Mapping[str, Mapping[Key, str]]
"""By source what it last applied: the name of each object and the path of its file."""

_RANK = {kind.value: rank for rank, kind in enumerate((Kind.AGENT, Kind.SQUAD, Kind.AUTOPILOT))}


class DriftState(StrEnum):
    """How an object is not as it was last applied."""

    CHANGED = "changed"
    GONE = "gone"
    ARCHIVED = "archived"
    DISOWNED = "disowned"
    UNRECORDED = "unrecorded"


@dataclass(frozen=True, slots=True)
class Drift:
    """One object that is not as it was last applied; `row` is None where it is gone."""

    key: Key
    state: DriftState
    row: Stored | None
    origin: Origin | None

    def message(self, *, names_sources: bool = True) -> str:
        """What is wrong with the row, where its fields do not say it; else empty.

        Without `names_sources` for those who may not know of every source.
        """
        match self.state:
            case DriftState.CHANGED:
                return ""
            case DriftState.GONE:
                return "its row is gone from the database"
            case DriftState.ARCHIVED:
                return "its row was archived, though its manifest is in force"
            case DriftState.DISOWNED if self.row and self.row.source_id:
                owner = f"source {self.row.source_id!r}" if names_sources else "another source"
                return f"its row now belongs to {owner}"
            case DriftState.DISOWNED:
                return "its row no longer belongs to any source"
            case DriftState.UNRECORDED:
                return "its row no longer says what was last applied"

    @property
    def fields(self) -> tuple[FieldChange, ...]:
        """Each field as it was applied (`before`) and as it is now (`after`), where both exist."""
        if self.row is None or self.row.applied is None:
            return ()
        return field_changes(self.row.applied, self.row.document)


def inventory_of(files: Iterable[FileDigest]) -> dict[Key, str]:
    """The objects of these files, each with the path of its file."""
    return {key: file.path for file in files for key in file.keys}


def drift_of(
    current: Current, source_id: str | None = None, inventory: Inventory | None = None
) -> tuple[Drift, ...]:
    """Every object that drifted, of one source or of all, by kind, workspace and name.

    Without the source's part of `inventory` only rows that are there are known of.
    """
    drifts = {drift.key: drift for drift in _absent(current, inventory or {})}
    for row in current.objects.values():
        if source_id in (None, row.source_id) and (state := _state(row)) is not None:
            drifts.setdefault(row.key, Drift(row.key, state, row, row.origin))
    return tuple(sorted(drifts.values(), key=_place))


def _state(row: Stored) -> DriftState | None:
    if row.drifted:
        return DriftState.CHANGED
    unrecorded = row.source_id is not None and row.applied_digest is None
    return DriftState.UNRECORDED if unrecorded else None


def _absent(current: Current, inventory: Inventory) -> Iterator[Drift]:
    """Objects that were applied, and that have no live row of their source."""
    archived = {(row.source_id, row.key): row for row in current.archived.values()}
    renamed = {(row.source_id, _applied_key(row)) for row in current.objects.values()}
    for source_id, paths in inventory.items():
        for key, path in paths.items():
            row, state = current.objects.get(key), DriftState.DISOWNED
            if (row is not None and row.source_id == source_id) or (source_id, key) in renamed:
                continue  # a name that was edited by hand shows as a change of that row
            if row is None:
                row, state = archived.get((source_id, key)), DriftState.ARCHIVED
            if row is None:
                state = DriftState.GONE
            yield Drift(key, state, row, (row and row.origin) or Origin(source_id, path))


def _applied_key(row: Stored) -> Key:
    """What named the row when it was last applied."""
    if not row.drifted or row.applied is None:
        return row.key
    metadata = row.applied["metadata"]
    return row.key._replace(workspace=metadata["workspace"], name=metadata["name"])


def _place(drift: Drift) -> tuple[int, Key]:
    return (_RANK.get(drift.key.kind, len(_RANK)), drift.key)
