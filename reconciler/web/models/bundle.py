"""Manifests and saved plans on their way to the server, and what is planned and applied of them."""

import base64
import binascii
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from reconciler.core.base.codes import Code
from reconciler.core.base.errors import Problem
from reconciler.core.base.identity import Revision
from reconciler.core.manifest.fields import Instant
from reconciler.core.manifest.model import Kind
from reconciler.core.plan.report import PlanReport, SummaryReport
from reconciler.manifest.files import Submitted
from reconciler.web.http.faults import NO_CONTROLS
from reconciler.web.http.operation import Wire

MOST_BYTES = 64 * 1024 * 1024
"""The largest body of a plan or an apply."""
MOST_FILES = 50_000
_Line = Annotated[str, Field(min_length=1, max_length=1000, pattern=NO_CONTROLS)]
_Name = Annotated[str, Field(min_length=1, max_length=200, pattern=NO_CONTROLS)]
_UNREADABLE = Literal["file-unreadable", "file-special", "file-link", "file-name", "file-too-large"]


class UnreadableFile(Wire):
    """Why the sender could not read a file: a Problem of the whole set."""

    code: _UNREADABLE
    """A code of docs/errors.md."""
    message: _Line
    """What is wrong."""


class SentFile(Wire):
    """One manifest file: its text, its bytes in base64, or why it could not be read."""

    path: _Line
    """Below the folder of the source, with `/`."""
    content: str | None = None
    """The text."""
    content_base64: str | None = None
    """The bytes, where they need not be text."""
    unreadable: UnreadableFile | None = None
    """Instead of both."""

    def read(self) -> bytes | Problem:
        """The bytes, or the Problem. Raises ValueError where there is not just one of them."""
        if sum(x is not None for x in (self.content, self.content_base64, self.unreadable)) != 1:
            raise ValueError("needs one of content, contentBase64 and unreadable")
        if self.unreadable is not None:
            code = Code(self.unreadable.code)
            return Problem(self.path, 1, 1, "", self.unreadable.message, code)
        if self.content_base64 is not None:
            return _decoded(self.content_base64)
        return (self.content or "").encode("utf-8", "surrogatepass")


class SentRevision(Wire):
    """The commit that the files are. Without one their digest is the revision."""

    id: _Name
    """Its full hash."""
    author: Annotated[str, Field(max_length=1000)] | None = None
    """Its author."""
    subject: Annotated[str, Field(max_length=1000)] | None = None
    """The first line of its message."""
    committed_at: Instant | None = None
    """When it was committed."""

    def revision(self) -> Revision:
        """As the core has it."""
        return Revision(self.id, self.author, self.subject, self.committed_at)


class SentDescent(Wire):
    """What git says of the commit and the source's `precedent`, see `GET /v1/status`."""

    precedent: _Name
    """The revision that was asked about."""
    descends: bool | Literal["shallow"] | None
    """Whether the commit descends from it; `shallow` where the clone ends before, null where git
    knows no order."""


class PlanOrder(Wire):
    """A set of manifests, or a saved plan."""

    source_id: _Name | None = None
    """The source; needed with files. All of it is sent: what is not there has left it."""
    files: Annotated[list[SentFile], Field(max_length=MOST_FILES)] | None = None
    """Every manifest file of the source, in the order of their paths."""
    texts: Annotated[list[SentFile], Field(max_length=MOST_FILES)] | None = None
    """Every file that these name (`descriptionFrom`), by its path below the source's folder."""
    revision: SentRevision | None = None
    """The commit, if the files are just those of one."""
    saved_plan_base64: str | None = None
    """Instead of files: what `plan --out` saved."""
    descent: SentDescent | None = None
    """Whether the commit follows the one applied before; without it nobody checks."""
    self_heal: bool = True
    """Whether drift is put back."""
    confirm_deletes: Annotated[int, Field(ge=0)] | None = None
    """Yes, exactly so many objects leave."""
    allow_rewrites: bool = False
    """Take a revision that does not descend."""
    save: bool = False
    """Answer with `savedPlan` as well."""

    def saved_plan(self) -> bytes | None:
        """The saved plan; None where files were sent. Raises ValueError where neither or both."""
        if (self.files is None) == (self.saved_plan_base64 is None):
            raise ValueError("send one of files and savedPlanBase64")
        if self.files is not None and self.source_id is None:
            raise ValueError("send sourceId with files")
        return None if self.saved_plan_base64 is None else _decoded(self.saved_plan_base64)

    def submitted(self) -> Submitted:
        """The files. Raises ValueError that names the one that is wrong."""
        return Submitted(_by_path(self.files or ()), _by_path(self.texts or ()))


def _by_path(files: Sequence[SentFile]) -> dict[str, bytes | Problem]:
    contents: dict[str, bytes | Problem] = {}
    for file in files:
        if file.path in contents:
            raise ValueError(f"{file.path} was sent twice")
        if file.path.startswith("/") or ".." in file.path.split("/"):
            raise ValueError(f"{file.path} is no path below the folder of the source")
        try:
            contents[file.path] = file.read()
        except ValueError as error:
            raise ValueError(f"{file.path}: {error}") from None
    return contents


class ApplyOrder(PlanOrder):
    """The same as was planned, and the digest of that plan."""

    digest: Annotated[str, Field(min_length=64, max_length=64)]
    """Another plan is stale."""


class ObjectionView(Wire):
    """One reason why apply refuses the plan."""

    code: str
    """Stable, for machines."""
    message: str
    """What is refused, and what would lift it."""
    subject: str
    """The object, if it is about one."""
    confirm: str | None
    """The flag that lifts it."""


class PlanAnswer(PlanReport):
    """The plan as `plan -o json` prints it, and what apply would say against it."""

    source_id: str
    """The source."""
    objections: list[ObjectionView] = Field(strict=False)
    """Why apply would refuse it."""
    saved_plan: str | None
    """With `save`: what `plan --out` writes."""


class ApplyAnswer(Wire):
    """What was applied."""

    source_id: str
    """The source."""
    revision: str
    """The revision that is in force now."""
    digest: str
    """Of the plan that was carried out."""
    summary: SummaryReport
    """How many objects met which fate."""
    attempt: int | None
    """The id of its row among the revisions; null where nothing was left to do."""
    cancelled: list[str]
    """Waiting runs that ended because their autopilot was archived."""


class AdoptOrder(Wire):
    """An object that no source owns, and the source that takes it over."""

    kind: Kind
    """Its kind."""
    workspace: _Name = "default"
    """Its workspace."""
    name: _Name
    """Its name."""
    source_id: _Name
    """The source."""


class AdoptAnswer(Wire):
    """The object that was adopted."""

    id: str
    """Its id."""
    kind: Kind
    """Its kind."""
    workspace: str
    """Its workspace."""
    name: str
    """Its name."""
    source_id: str
    """The source that owns it now."""


def _decoded(text: str) -> bytes:
    """The bytes. Raises ValueError for what is not base64."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("this is not base64") from None
