"""What an edit would do, worked out while one types: YAML, plan, diff, and when it fires."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from reconciler.control.apply.source_files import SourceFiles
from reconciler.core.access.roles import Caller
from reconciler.core.calendar.schedule import Occurrence
from reconciler.core.manifest.state import Document
from reconciler.core.plan.plan import Plan
from reconciler.core.plan.report import ChangeReport, report_of
from reconciler.core.schedule.outlook import forecast
from reconciler.manifest.edit.export import to_yaml
from reconciler.web.writing.edits import Edit
from reconciler.web.writing.patch import suggested_patch

COMING = 5


@dataclass(frozen=True, slots=True)
class Coming:
    """A schedule of the edited manifest, and its next occurrences."""

    trigger: Document
    occurrences: Sequence[Occurrence]


@dataclass(frozen=True, slots=True)
class Preview:
    """What the page shows beside the form. `patch` is None where the file cannot be read here."""

    edit: Edit
    yaml: str
    changes: Sequence[ChangeReport]
    patch: str | None
    coming: Sequence[Coming]

    @property
    def lines(self) -> Iterator[tuple[str, str]]:
        """The lines of the patch, each with what it is: added, removed, or neither."""
        kinds = {"+": "added", "-": "removed", "@": "place"}
        in_head = True
        for line in (self.patch or "").split("\n"):
            if line.startswith("diff --git "):
                in_head = True
                if self.edit.made:
                    yield "place", line.partition(" b/")[2]
            in_head = in_head and not line.startswith("@@")
            if not in_head and line:
                yield kinds.get(line[:1], ""), line


def preview_of(
    edit: Edit, plan: Plan, files: SourceFiles | None, caller: Caller, now: datetime
) -> Preview:
    """The preview of a valid manifest; `plan` is that of the edit, which the caller makes."""
    after = edit.after
    document = after.document if after is not None else {"spec": {}}
    return Preview(
        edit=edit,
        yaml=to_yaml(document),
        changes=() if edit.changes_nothing else report_of(plan).changes,
        patch=None if edit.writes_nothing else suggested_patch(edit, files, caller),
        coming=[
            Coming(trigger, forecast(str(n), trigger, now, COMING))
            for n, trigger in enumerate(document["spec"].get("triggers", ()))
            if trigger["kind"] == "schedule"
        ],
    )
