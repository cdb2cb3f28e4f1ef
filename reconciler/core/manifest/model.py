"""The models of the three kinds of manifest: Autopilot, Agent and Squad (docs/manifest.md).

Structure, types and limits of one field stand here and become the JSON Schemas. Rules that need
more than one field of one object stand in `checks/`; rules between objects in `references.py`.
"""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field

from reconciler.core.base.identity import Key, object_id, trigger_id
from reconciler.core.manifest.budget import Budget
from reconciler.core.manifest.fields import Duration, Model, Name
from reconciler.core.manifest.file_ref import FileRef
from reconciler.core.manifest.notify import NotifyRule
from reconciler.core.manifest.runtime import Argument, Runtime
from reconciler.core.manifest.trigger import Trigger

API_VERSION = "autopilots/v1"
MODEL_VERSION = 1
"""Raised whenever the same text would load as another value: all of it is then read again."""


class Kind(StrEnum):
    """The kinds of object, in the order in which they are created."""

    AGENT = "Agent"
    SQUAD = "Squad"
    AUTOPILOT = "Autopilot"


class ExecutionMode(StrEnum):
    """Whether a run opens a session on the agent's runtime."""

    CREATE_SESSION = "create_session"
    RUN_ONLY = "run_only"


class ConcurrencyPolicy(StrEnum):
    """What happens when a run is due and another is still active (docs/runs.md)."""

    SKIP = "skip"
    QUEUE = "queue"
    REPLACE = "replace"


class QueueKeep(StrEnum):
    """Which waiting runs of a key a queue keeps."""

    ALL = "all"
    NEWEST = "newest"


class OnApproval(StrEnum):
    """What a run does when its agent asks a person for permission."""

    FAIL = "fail"
    WAIT = "wait"


class AutopilotStatus(StrEnum):
    """The switch in git; the runtime's own switch stands beside it."""

    ACTIVE = "active"
    PAUSED = "paused"
    ARCHIVED = "archived"


class DeletionPolicy(StrEnum):
    """Whether leaving the source archives the object or is refused."""

    ARCHIVE = "archive"
    PROTECT = "protect"


class Metadata(Model):
    """Who the object is."""

    name: Name
    """Unique in its workspace and kind."""
    workspace: Name = "default"
    """The team that the object belongs to."""
    labels: dict[str, str] = Field(default_factory=dict, max_length=100)
    """Text to text, for filters."""
    annotations: dict[str, str] = Field(default_factory=dict, max_length=100)
    """Text to text, for people and tools: kept and shown, and no change when it differs."""
    former_names: tuple[Name, ...] = Field(default=(), max_length=20, strict=False)
    """Names that this object had before, the first one first: a move keeps ids, runs and URLs."""


class Assignee(Model):
    """Who does the work: an Agent or a Squad of the same workspace."""

    type: Literal["agent", "squad"]
    """What kind of object `id` names."""
    id: Name
    """The name of the Agent or Squad."""


class Retry(Model):
    """Second attempts after transient failures of dispatch; the run stays the same."""

    limit: int = Field(default=0, ge=0, le=10)
    """Attempts after the first one."""
    backoff: Duration = timedelta(seconds=30)
    """The wait before the second attempt; it doubles each time."""
    max_backoff: Duration = timedelta(minutes=10)
    """The longest wait between two attempts."""


class Limits(Model):
    """How many runs may be admitted within sliding windows."""

    per_hour: int | None = Field(default=None, ge=1, le=100_000)
    """Runs within any 60 minutes."""
    per_day: int | None = Field(default=None, ge=1, le=1_000_000)
    """Runs within any 24 hours."""


_NO_RETRY, _NO_LIMITS = Retry(), Limits()
"""Frozen, and so the same ones for every autopilot that says nothing of them."""


class Precheck(Model):
    """A program that says whether there is anything to do, before any agent is asked."""

    program: Name
    """A name bound by `--allow-command NAME=PATH`."""
    args: tuple[Argument, ...] = Field(default=(), max_length=200, strict=False)
    """Its arguments; there is no shell. `{{ run.id }}` and `{{ run.title }}` are filled in."""
    timeout: Duration = timedelta(minutes=1)
    """How long it may take; within the run's own timeout."""


class AutopilotSpec(Model):
    """What is done, by whom, when, and what happens when runs meet."""

    title: str = Field(min_length=1, max_length=200, examples=["Nightly issue triage"])
    """What people see."""
    description: str = Field(default="", max_length=100_000)
    """What the agent is asked to do."""
    description_from: FileRef | None = None
    """A Markdown or text file of the source that holds the description, instead of it."""
    assignee: Assignee
    """Who does the work."""
    execution_mode: ExecutionMode = Field(default=ExecutionMode.CREATE_SESSION, strict=False)
    """Whether a run opens a session on the agent's runtime."""
    concurrency_policy: ConcurrencyPolicy = Field(default=ConcurrencyPolicy.SKIP, strict=False)
    """What happens when a run is due and `maxConcurrency` others are active."""
    max_concurrency: int = Field(default=1, ge=1, le=100)
    """Active runs (per key) before the policy acts."""
    concurrency_key: str | None = Field(
        default=None, min_length=1, examples=["payload.pull_request.number"]
    )
    """CEL giving text: the policy counts per key."""
    max_active: int = Field(default=10, ge=1, le=1000)
    """Active runs over all keys."""
    queue_limit: int = Field(default=10, ge=1, le=1000)
    """Waiting runs held."""
    queue_ttl: Duration = timedelta(hours=24)
    """How long a run may wait."""
    queue_keep: QueueKeep = Field(
        default=QueueKeep.ALL, strict=False, exclude_if=lambda keep: keep is QueueKeep.ALL
    )
    """`newest`: of the waiting runs of a key only the newest one is kept; needs `queue`."""
    issue_title_template: str | None = Field(
        default=None, min_length=1, max_length=2000, examples=["Triage {{ date }}"]
    )
    """Text with `{{ CEL }}` placeholders; the title by default."""
    status: AutopilotStatus = Field(default=AutopilotStatus.ACTIVE, strict=False)
    """The switch in git."""
    timeout: Duration = timedelta(minutes=90)
    """From admission; then the run is stopped and fails as `timed_out`."""
    retry: Retry = Field(default_factory=lambda: _NO_RETRY)
    """Second attempts after transient failures of dispatch."""
    pause_after_failures: int = Field(default=5, ge=0, le=1000)
    """Consecutive failures that open the breaker; 0 = never."""
    limits: Limits = Field(default_factory=lambda: _NO_LIMITS)
    """How many runs may be admitted within sliding windows."""
    budget: Budget | None = None
    """What its runs may cost, in US dollars."""
    context: tuple[Literal["lastCompleted"], ...] | None = Field(
        default=None, min_length=1, max_length=1, strict=False
    )
    """What the prompt tells of earlier runs: `lastCompleted`, its end and its result."""
    precheck: Precheck | None = None
    """A program that runs first: exit status 0 goes on, 10 says that there is nothing to do."""
    expect: str | None = Field(
        default=None, min_length=1, examples=['result.status == "ok" && size(result.issues) > 0']
    )
    """CEL over `result` and `run`: a run that completes and gives anything but true has failed."""
    expect_schema: FileRef | None = None
    """A file with a JSON Schema (draft 2020-12) that a good result fits; below the manifest."""
    result_schema: str | None = Field(default=None, min_length=1, max_length=50_000)
    """The same written here, as JSON text; instead of `expectSchema`."""
    notify: tuple[NotifyRule, ...] | None = Field(
        default=None,
        max_length=20,
        strict=False,
        examples=[[{"on": ["failed", "recovered"], "to": "oncall"}]],
    )
    """Who hears of what becomes of the runs; by default what the operator set for the workspace,
    and nobody where the list is empty."""
    on_approval: OnApproval = Field(
        default=OnApproval.FAIL, strict=False, exclude_if=lambda value: value is OnApproval.FAIL
    )
    """What a run does when its agent asks for permission: it fails, or waits for a person."""
    deletion_policy: DeletionPolicy = Field(default=DeletionPolicy.ARCHIVE, strict=False)
    """Whether leaving the source archives the object or is refused."""
    triggers: tuple[Trigger, ...] = Field(default=(), max_length=50, strict=False)
    """What fires the autopilot; names are unique."""


class AgentSpec(Model):
    """How work reaches the agent and how much at a time."""

    max_concurrency: int = Field(default=10, ge=1, le=1000)
    """Active runs over all autopilots; more wait."""
    budget: Budget | None = None
    """What the runs may cost that it works on, of all autopilots together, in US dollars."""
    runtime: Runtime
    """How work reaches the agent."""


class SquadSpec(Model):
    """Several agents that share the work."""

    members: tuple[Name, ...] = Field(min_length=1, max_length=100, strict=False)
    """Agents of the workspace."""
    strategy: Literal["leader", "round_robin"] = "leader"
    """`leader`: the first member that is available; `round_robin`: each in turn."""


class ManifestModel(Model):
    """What every kind has in common."""

    api_version: Literal["autopilots/v1"]
    """The version of the format."""
    metadata: Metadata
    """Who the object is."""

    @property
    def key(self) -> Key:
        """What names the object."""
        return Key(self.kind_name, self.metadata.workspace, self.metadata.name)

    @property
    def kind_name(self) -> Kind:
        """The kind as the enum."""
        return Kind(getattr(self, "kind"))  # noqa: B009 - declared by each kind, as a literal

    @property
    def id(self) -> str:
        """UUIDv5 of workspace, kind and the first name that the object ever had."""
        first = next(iter(self.metadata.former_names), self.metadata.name)
        return object_id(self.kind_name, self.metadata.workspace, first)

    def document(self) -> dict[str, Any]:
        """The manifest as canonical JSON values, defaults written out, absent fields left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class Autopilot(ManifestModel):
    """A recurring automation that assigns work to an agent or a squad."""

    kind: Literal["Autopilot"]
    """This document is an autopilot."""
    spec: AutopilotSpec
    """What is done, by whom, and when."""

    def trigger_ids(self) -> dict[str, str]:
        """The id of each trigger by its name."""
        return {t.name: trigger_id(self.id, t.name) for t in self.spec.triggers}


class Agent(ManifestModel):
    """Something that does work, and how to reach it."""

    kind: Literal["Agent"]
    """This document is an agent."""
    spec: AgentSpec
    """How work reaches it."""


class Squad(ManifestModel):
    """Several agents under one name."""

    kind: Literal["Squad"]
    """This document is a squad."""
    spec: SquadSpec
    """Who belongs to it."""


Manifest = Annotated[Autopilot | Agent | Squad, Field(discriminator="kind")]
AnyManifest = Autopilot | Agent | Squad
MODELS: dict[str, type[Autopilot] | type[Agent] | type[Squad]] = {
    Kind.AGENT: Agent,
    Kind.SQUAD: Squad,
    Kind.AUTOPILOT: Autopilot,
}
