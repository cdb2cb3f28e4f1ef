"""How work reaches an agent: the runtimes of docs/runtimes.md."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from reconciler.core.manifest.fields import Model, Name, SecretRef

ENV_NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"
HEADER_NAME = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"


def _text_or_secret(value: object) -> str:
    return "secret" if isinstance(value, (dict, SecretRef)) else "text"


Value = Annotated[
    Annotated[str, Tag("text")] | Annotated[SecretRef, Tag("secret")],
    Discriminator(_text_or_secret),
]
"""A text, or a reference to a secret."""

EnvName = Annotated[str, Field(pattern=ENV_NAME, max_length=200)]
HeaderName = Annotated[str, Field(pattern=HEADER_NAME, max_length=200)]
Url = Annotated[str, Field(min_length=1, max_length=2000, pattern=r"^https?://[^\s]+$")]


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


class HttpRuntime(Model):
    """An HTTP endpoint that takes signed runs."""

    type: Literal["http"]
    """An endpoint that a run is posted to."""
    url: Url
    """Where runs are posted; the operator's `allowed_runtime_urls` must admit it."""
    secret: SecretRef | None = None
    """The Standard Webhooks secret that signs each request."""
    headers: dict[HeaderName, Value] = Field(default_factory=dict, max_length=50)
    """Sent with each request."""


class CommandRuntime(Model):
    """A program of the host, by the name that the operator bound."""

    type: Literal["command"]
    """A program that the server starts."""
    program: Name
    """A name bound by `--allow-command NAME=PATH`."""
    args: tuple[str, ...] = Field(default=(), max_length=200, strict=False)
    """Its arguments, passed as they are; there is no shell."""
    env: dict[EnvName, Value] = Field(default_factory=dict, max_length=100)
    """Its environment: only what stands here and the run's own variables."""
    cwd: str | None = Field(default=None, min_length=1, max_length=4096)
    """The folder that it starts in; the server's own by default."""


class WorkerRuntime(Model):
    """Workers that claim runs over HTTP."""

    type: Literal["worker"]
    """Workers claim the runs themselves."""


Runtime = Annotated[
    AegisRuntime | HttpRuntime | CommandRuntime | WorkerRuntime,
    Field(discriminator="type"),
]


def secret_refs(runtime: Runtime) -> Iterator[SecretRef]:
    """Every secret that the work of an agent needs."""
    match runtime:
        case AegisRuntime():
            values = [runtime.token, *runtime.env.values()]
        case HttpRuntime():
            values = [runtime.secret, *runtime.headers.values()]
        case CommandRuntime():
            values = [*runtime.env.values()]
        case _:
            values = []
    yield from (value for value in values if isinstance(value, SecretRef))
