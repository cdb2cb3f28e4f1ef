"""How work reaches an agent: the runtimes of docs/runtimes.md."""

from collections.abc import Iterator
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from reconciler.core.manifest.arguments import NAMES, unknown_names
from reconciler.core.manifest.coding_agents import OPTIONS, CodingAgent, refusals
from reconciler.core.manifest.fields import Model, Name, SecretRef
from reconciler.core.manifest.http_api import Address, Cancel, Find, Follow, Request
from reconciler.core.manifest.runtime_fields import EnvName, Folder, HeaderName, Url, Value


def _argument(text: str) -> str:
    for name in unknown_names(text):
        raise PydanticCustomError(
            "template-invalid",
            "an argument has no {name}; it may hold {known}",
            {
                "name": f"{{{{ run.{name} }}}}",
                "known": " and ".join(f"{{{{ run.{known} }}}}" for known in NAMES),
            },
        )
    return text


Argument = Annotated[str, AfterValidator(_argument)]


class AegisRuntime(Model):
    """Sessions of an Aegis server."""

    type: Literal["aegis"]
    """An Aegis agent server."""
    url: Url = "http://127.0.0.1:9100"
    """Where the server listens; the operator's `allowed_runtime_urls` must admit it."""
    token: SecretRef | None = None
    """The API key, one and the same for all runs of the agent."""
    work_dir: str = Field(min_length=1, max_length=4096, examples=["/srv/agents/triage"])
    """The folder that a session works in, on the Aegis host."""
    permission_mode: str | None = Field(default=None, max_length=50, examples=["plan"])
    """What a session may do unasked; the operator's `allowed_permission_modes` must admit it."""
    model: str | None = Field(default=None, max_length=200)
    """The model of the session, where the server takes one."""
    env: dict[EnvName, Value] = Field(default_factory=dict, max_length=100)
    """The environment of the session."""

    def holds(self) -> str:
        """SHA-256 of what a run has for itself: sessions of one folder mix their words."""
        place = f"{self.url.rstrip('/')}\n{self.work_dir.rstrip('/')}"
        return sha256(place.encode("utf-8", "surrogatepass")).hexdigest()


class HttpRuntime(Model):
    """An HTTP endpoint that takes signed runs."""

    type: Literal["http"]
    """An endpoint that a run is posted to."""
    url: Address
    """Where runs are posted; the operator's `allowed_runtime_urls` must admit it."""
    secret: SecretRef | None = None
    """The Standard Webhooks secret that signs each request."""
    headers: dict[HeaderName, Value] = Field(default_factory=dict, max_length=50)
    """Sent with each request."""
    request: Request | None = None
    """How a run is given to an API that does not speak the protocol of docs/runtimes.md#http."""
    follow: Follow | None = None
    """How such an API is asked what became of the work."""
    cancel: Cancel | None = None
    """How such an API is asked to stop it."""
    find: Find | None = None
    """How work is searched for whose creation was never answered."""


class CommandInput(StrEnum):
    """What a program reads from stdin."""

    JSON = "json"
    PROMPT = "prompt"


class CommandRuntime(Model):
    """A program of the host, by the name that the operator bound."""

    type: Literal["command"]
    """A program that the server starts."""
    program: Name
    """A name bound by `--allow-command NAME=PATH`."""
    args: tuple[Argument, ...] = Field(default=(), max_length=200, strict=False)
    """Its arguments; there is no shell. `{{ run.id }}` and `{{ run.title }}` are filled in."""
    input: CommandInput = Field(default=CommandInput.JSON, strict=False)
    """What stdin holds: `json`, the run and its prompt in a line, or `prompt`, the text alone."""
    env: dict[EnvName, Value] = Field(default_factory=dict, max_length=100)
    """Its environment: only what stands here and the run's own variables."""
    cwd: str | None = Field(default=None, min_length=1, max_length=4096)
    """The folder that it starts in; the server's own by default."""
    usage: Literal["lastLine"] | None = None
    """`lastLine`: lines that it writes are JSON with what it used until then, `{"usage": {…}}`; of
    several the highest of each number counts."""


class CliRuntime(Model):
    """A coding agent's own command line, without a terminal."""

    type: Literal["cli"]
    """A coding agent that the server starts by its command line."""
    agent: CodingAgent = Field(strict=False)
    """Which command line it is."""
    program: Name
    """A name bound by `--allow-command NAME=PATH`."""
    work_dir: Folder = Field(examples=["/srv/agents/triage"])
    """The folder that it works in; the operator's `[commands.NAME] folders` must admit it."""
    home: Folder | None = None
    """Its `HOME`, where it keeps settings and sessions; admitted likewise."""
    model: str | None = Field(default=None, max_length=200, pattern=r"^[A-Za-z0-9]")
    """The model, by the agent's own name of it."""
    permission_mode: str | None = Field(default=None, max_length=50, examples=["acceptEdits"])
    """What it may do unasked; the operator's `allowed_permission_modes` must admit it."""
    allowed_tools: tuple[Annotated[str, Field(max_length=500, pattern=r"^[A-Za-z_]")], ...] = Field(
        default=(), max_length=100, strict=False
    )
    """Tools that it may use without asking, beyond its permission mode."""
    max_turns: int | None = Field(default=None, ge=1, le=10_000)
    """How many turns it may take."""
    args: tuple[Argument, ...] = Field(default=(), max_length=50, strict=False)
    """Further options, of those that docs/runtimes.md#cli lists for the agent."""
    env: dict[EnvName, Value] = Field(default_factory=dict, max_length=100)
    """Its environment: only what stands here and the run's own variables."""

    @model_validator(mode="after")
    def _taken(self) -> Self:
        chosen = {
            "permissionMode": self.permission_mode,
            "allowedTools": self.allowed_tools,
            "maxTurns": self.max_turns,
        }
        fields = [name for name, value in chosen.items() if value]
        for refusal in refusals(OPTIONS[self.agent], fields, self.permission_mode, self.args):
            raise PydanticCustomError("agent-option", "{refusal}", {"refusal": refusal})
        return self


class A2aRuntime(Model):
    """An agent that speaks the A2A protocol."""

    type: Literal["a2a"]
    """An agent with a card, by the A2A protocol."""
    url: Url = Field(examples=["https://agents.example.org/triage"])
    """Where the agent is: its card lies below, and leads nowhere else."""
    token: SecretRef | None = None
    """Sent as `Authorization: Bearer` with each call."""
    headers: dict[HeaderName, Value] = Field(default_factory=dict, max_length=50)
    """Sent with each call."""


class WorkerRuntime(Model):
    """Workers that claim runs over HTTP."""

    type: Literal["worker"]
    """Workers claim the runs themselves."""


Runtime = Annotated[
    AegisRuntime | A2aRuntime | HttpRuntime | CommandRuntime | CliRuntime | WorkerRuntime,
    Field(discriminator="type"),
]


def own_headers(runtime: HttpRuntime) -> dict[str, str | SecretRef]:
    """The headers of the request that gives a run to its agent, and of no other."""
    return {**runtime.request.headers} if runtime.request else {}


def secret_refs(runtime: Runtime) -> Iterator[SecretRef]:
    """Every secret that the work of an agent needs."""
    match runtime:
        case AegisRuntime():
            values = [runtime.token, *runtime.env.values()]
        case A2aRuntime():
            values = [runtime.token, *runtime.headers.values()]
        case HttpRuntime():
            values = [runtime.secret, *runtime.headers.values(), *own_headers(runtime).values()]
        case CommandRuntime() | CliRuntime():
            values = [*runtime.env.values()]
        case _:
            values = []
    yield from (value for value in values if isinstance(value, SecretRef))
