"""What an operator can set: flags, then `RECONCILER_*`, then `--config FILE` (TOML), then defaults.

Every setting is listed in docs/operating.md; a test compares the two.
"""

import re
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from socket import gethostname
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from reconciler.core.access.client_address import networks_of
from reconciler.core.base.errors import UsageError
from reconciler.core.base.masking import unescaped
from reconciler.core.base.units import parse_duration
from reconciler.core.calendar.zone import near_timezone, timezones
from reconciler.core.manifest.budget import Budget
from reconciler.core.manifest.checks.notify import LOG_CHANNEL
from reconciler.core.manifest.fields import NAME_PATTERN
from reconciler.core.manifest.reach import (
    DEFAULT_PORT,
    LOOPBACK,
    Grant,
    is_every_address,
    is_loopback,
    is_plain_path,
    parse_url,
)
from reconciler.core.manifest.runtime_fields import ENV_NAME
from reconciler.core.runs.usage import Price
from reconciler.notify_settings import (
    ChannelName,
    ChannelSettings,
    NotifySettings,
    channel_workspaces,
)

DEFAULT_DATABASE = "sqlite:///.reconciler/state.db"


def _duration(value: Any) -> Any:
    return parse_duration(value) if isinstance(value, str) else value


def _list(value: Any) -> Any:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _commands(value: Any) -> Any:
    """`NAME=PATH,NAME=PATH` in the environment, a list of `NAME=PATH` from flags, or a table."""
    if isinstance(value, str):
        value = [part for part in value.split(",") if part.strip()]
    if not isinstance(value, (list, tuple)):
        return value
    bound: dict[str, str] = {}
    for item in value:
        name, equals, path = str(item).partition("=")
        if not (name and equals and path):
            raise ValueError(f"{item!r} is not NAME=PATH")
        bound[name.strip()] = path.strip()
    return bound


def _folder(value: str) -> str:
    if not is_plain_path(value):
        raise ValueError(f"{value!r} is not an absolute path without '.' and '..'")
    return value


def _timezone(value: str) -> str:
    if value in timezones():
        return value
    near = near_timezone(value)
    raise ValueError(f"unknown time zone {value!r}" + (f", did you mean {near!r}?" if near else ""))


Period = Annotated[timedelta, BeforeValidator(_duration)]
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_list)]
Bindings = Annotated[dict[str, Path], NoDecode, BeforeValidator(_commands)]


class Choices(BaseModel):
    """What manifests may choose; the names are exact, and a pattern is not one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    env: tuple[Annotated[str, Field(pattern=ENV_NAME)], ...] = ()
    """Environment variables, beside those that begin with `AUTOPILOT_`."""
    folders: tuple[Annotated[str, AfterValidator(_folder)], ...] = ()
    """Absolute paths: the working directory is one of them or below one."""

    @property
    def grant(self) -> Grant:
        """As the rules take it."""
        return Grant(frozenset(self.env), self.folders)


class CommandSettings(Choices):
    """A bound program, and what manifests may choose for it."""

    path: Path | None = None
    """The program; `--allow-command NAME=PATH` says another one."""


Dollars = Annotated[Decimal, Field(ge=0, le=1_000_000, allow_inf_nan=False)]


class PriceSettings(BaseModel):
    """US dollars for a million tokens of a model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: Dollars
    """What is sent to the model."""
    output: Dollars
    """What it answers."""
    cached: Dollars | None = None
    """What of the input was read from a cache; as `input` by default."""

    @property
    def price(self) -> Price:
        """As sums are worked out."""
        return Price(self.input, self.output, self.input if self.cached is None else self.cached)


class SourceSettings(BaseModel):
    """A source that the server follows: a folder, or with `git` a folder of a repository."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(min_length=1, max_length=200)
    """The source's name."""
    git: str | None = Field(default=None, min_length=1)
    """The repository's URL."""
    ref: str = Field(default="main", min_length=1)
    """The branch or tag."""
    path: str = ""
    """The folder: on this machine, or in the repository."""

    @model_validator(mode="after")
    def _is_somewhere(self) -> Self:
        if self.git is None and not self.path:
            raise ValueError(f"source {self.id!r} needs a path, or git")
        if self.git is None and "ref" in self.model_fields_set:
            raise ValueError(f"source {self.id!r} has a ref and no git")
        return self


def _budgets(value: Any) -> Any:
    """`[budgets]` holds amounts for all runs and tables for workspaces; by the ledger's scopes."""
    if not isinstance(value, Mapping):
        return value
    tables = {name: table for name, table in value.items() if isinstance(table, Mapping)}
    for name in tables:
        if not re.fullmatch(NAME_PATTERN, name):
            raise ValueError(f"{name!r} is not the name of a workspace")
    amounts = {name: amount for name, amount in value.items() if name not in tables}
    server = {"server": amounts} if amounts else {}
    return server | {f"workspace/{name}": table for name, table in tables.items()}


Budgets = Annotated[dict[str, Budget], BeforeValidator(_budgets)]


class Settings(BaseSettings):
    """The settings of one process."""

    model_config = SettingsConfigDict(
        env_prefix="RECONCILER_",
        extra="forbid",
        frozen=True,
        env_ignore_empty=True,
    )

    database: str = DEFAULT_DATABASE
    """Where state is kept: `sqlite:///path` or `postgresql://user:password@host/name`."""
    server: str | None = None
    """Go through this running server's API instead of the database."""
    token: SecretStr | None = None
    """The API token for `server`."""
    token_file: Path | None = None
    """The file that holds the API token for `server`; it comes before `token`."""
    source: str = Field(default="default", min_length=1, max_length=200)
    """The name of the set of manifests that is applied together."""
    host: str = "127.0.0.1"
    """The address that `serve` listens on."""
    port: int = Field(default=DEFAULT_PORT, ge=0, le=65535)
    """The port that `serve` listens on; 0 takes a free one."""
    max_connections: int = Field(default=4096, ge=8, le=50_000)
    """Connections that are open at once; fewer where the limit of open files is lower."""
    trusted_proxies: Words = ()
    """The proxies, as addresses or networks, whose `X-Forwarded-For` names the client."""
    metrics_access: Literal["open", "viewer"] = "open"
    badges: bool = False
    """Who reads `/metrics`: everybody, or whoever has a token that may read."""
    public_url: str | None = None
    """What webhook and callback URLs begin with; `http://HOST:PORT` by default."""
    key_file: Path = Path(".reconciler/server.key")
    """The server's key, from which webhook tokens derive; made on first use, mode 0600."""
    secrets_dir: Path = Path(".reconciler/secrets")
    """Where `{file: NAME}` references are found, a folder for each workspace."""
    tokens_file: Path | None = None
    """The API tokens (TOML); without one the server stays on loopback."""
    allow_command: Bindings = Field(default_factory=dict)
    """The programs that `command` and `cli` runtimes may use: `NAME=PATH`."""
    commands: dict[str, CommandSettings] = Field(default_factory=dict)
    """Tables `[commands.NAME]`: `path`, and the `env` and `folders` that manifests may choose."""
    aegis: Choices = Choices()
    """Table `[aegis]`: the `env` and `folders` that manifests may choose for its sessions."""
    channels: dict[ChannelName, ChannelSettings] = Field(default_factory=dict)
    """Tables `[channels.NAME]`: where notifications go, and who may use it."""
    notify: NotifySettings = NotifySettings()
    """Table `[notify]`: what is told where no manifest says so."""
    runs_dir: Path = Path(".reconciler/runs")
    """Where what `command` and `cli` runs leave is kept until their end is recorded."""
    allowed_runtime_urls: Words = LOOPBACK
    """What the URLs of `http`, `a2a` and `aegis` runtimes may begin with."""
    allowed_permission_modes: Words = ("default", "plan", "acceptEdits", "dontAsk", "auto")
    """The permission modes that `aegis` and `cli` runtimes may use."""
    write_policy: Literal["reject", "files", "branch", "commit"] = "reject"
    """What a write of a manifest through the API does (docs/write-back.md)."""
    write_email_domain: str = Field(default="reconciler.invalid", pattern=r"^[A-Za-z0-9.-]{1,253}$")
    """The domain of the e-mail addresses in commits of the server."""
    forge_url: str = "https://api.github.com"
    """The REST API that opens pull requests: GitHub's, or GitLab's, which ends in `/api/v4`."""
    forge_token: SecretStr | None = Field(default=None, min_length=1)
    """The token for it; without one no pull requests are opened."""
    timezone: Annotated[str, AfterValidator(_timezone)] = "UTC"
    """The IANA time zone whose days and months usage and budgets are counted by."""
    prices: dict[str, PriceSettings] = Field(default_factory=dict)
    """Tables `[prices.MODEL]`: `input`, `output` and `cached`, dollars per million tokens."""
    budgets: Budgets = Field(default_factory=dict)
    """`[budgets]` for all runs, `[budgets.WORKSPACE]` for one: `perRun`, `perDay`, `perMonth`."""
    max_active_runs: int = Field(default=100, ge=1, le=100_000)
    """Runs that agents work on at once, over all workspaces."""
    breaker_cooldown: Period = timedelta(minutes=15)
    """How long an open breaker waits for its probe."""
    lease: Period = timedelta(seconds=30)
    """How long a dead process keeps its runs from others."""
    git: str | None = None
    """The repository that `serve` follows."""
    git_ref: str = Field(default="main", min_length=1)
    """The branch or tag of it."""
    git_path: str | None = None
    """The folder of manifests in it; all of it by default."""
    git_poll_interval: Annotated[Period, Field(ge=timedelta(seconds=1))] = timedelta(seconds=60)
    """How often a repository is polled."""
    git_dir: Path = Path(".reconciler/git")
    """Where mirrors of repositories are kept."""
    sources: tuple[SourceSettings, ...] = ()
    """Tables `[[sources]]`: `id`, `path`, or `git`, `ref` and `path`."""
    reconcile_secret: SecretStr | None = Field(default=None, min_length=16)
    """What a forge signs push webhooks to `/v1/reconcile` with; at least 16 characters."""
    poll_interval: Period = timedelta(seconds=60)
    """How often a followed folder is read even if nothing in it changed."""
    self_heal: bool = True
    """Whether drift is put back on the next reconcile."""
    allow_rewrites: bool = False
    """Whether a revision that does not descend from the applied one is taken."""
    keep_runs: Period = timedelta(days=90)
    """How long runs that have ended are kept."""
    keep_deliveries: Period = timedelta(days=30)
    """How long deliveries are kept."""
    keep_bodies: Period = timedelta(days=7)
    """How long the bodies of deliveries are kept."""
    keep_revisions: Period = timedelta(days=365)
    """How long revisions are kept."""
    log_format: Literal["auto", "json", "text"] = "auto"
    """`json`, or `text` for people; `auto` asks whether stderr is a terminal."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe message that is written."""

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        networks_of(value)
        return value

    @field_validator("database", "public_url", "server")
    @classmethod
    def _escaped(cls, value: str | None) -> str | None:
        if value is not None and (fault := unescaped(value)):
            raise ValueError(fault)
        return value

    @field_validator("public_url", "server")
    @classmethod
    def _base_url(cls, value: str | None) -> str | None:
        if not value:
            return None
        url = parse_url(value)
        if url is None or url.user is not None or "?" in value:
            raise ValueError("must be https://HOST[:PORT][/PATH], without user, query or fragment")
        return value.rstrip("/")

    @field_validator("forge_url")
    @classmethod
    def _safe_for_a_token(cls, value: str) -> str:
        url = parse_url(value)
        if url is None or url.user is not None or "?" in value:
            raise ValueError("must be https://HOST[:PORT][/PATH], without user, query or fragment")
        if url.scheme != "https" and not is_loopback(url.host.strip("[]")):
            raise ValueError("must begin with https://, so that nobody reads the token on its way")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _every_command_has_a_path(self) -> Self:
        for name in sorted(self.commands.keys() - self.programs.keys()):
            raise ValueError(f"commands.{name} has no path, and no --allow-command {name}=PATH")
        return self

    @model_validator(mode="after")
    def _notify_names_channels(self) -> Self:
        if LOG_CHANNEL in self.channels:
            raise ValueError(f"channels.{LOG_CHANNEL}: every server has this one, its log")
        for fault in self.notify.faults(self.channel_workspaces):
            raise ValueError(fault)
        return self

    @model_validator(mode="after")
    def _sources_have_names_of_their_own(self) -> Self:
        names = [source.id for source in self.sources]
        for name in sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"sources: two are named {name!r}")
        return self

    @classmethod
    def load_for_state(
        cls, config: Path | None, *, server: str | None, database: str | None, **flags: Any
    ) -> Self:
        """The settings of a command that goes to a database or through a server.

        A flag decides over the other's setting. Raises UsageError where both are said alike, since
        one of them could not be honoured.
        """
        if server is not None and database is not None:
            raise UsageError("--server and --database exclude each other; give one of them")
        settings = cls.load(config, server=server, database=database, **flags)
        if database is not None:
            return settings.model_copy(update={"server": None})
        if server is None and settings.server and "database" in settings.model_fields_set:
            raise UsageError(
                "the settings name a server and a database (RECONCILER_SERVER, "
                "RECONCILER_DATABASE); unset one of them, or say which with --server or --database"
            )
        return settings

    @property
    def price_table(self) -> dict[str, Price]:
        """The prices by the names of models."""
        return {model: table.price for model, table in self.prices.items()}

    @property
    def programs(self) -> dict[str, Path]:
        """The bound programs; `allow_command`, which may be a flag, comes before the tables."""
        tables = {name: table.path for name, table in self.commands.items() if table.path}
        return tables | self.allow_command

    @property
    def channel_workspaces(self) -> dict[str, frozenset[str] | None]:
        """Every channel that there is, with the workspaces that may use it; None is all."""
        return channel_workspaces(self.channels)

    @property
    def grants(self) -> dict[str, Grant]:
        """What manifests may choose for the programs that have a table."""
        return {name: table.grant for name, table in self.commands.items()}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags and the environment only: no file is read that nobody named."""
        return init_settings, env_settings

    @classmethod
    def load(cls, config: Path | None = None, **flags: Any) -> Self:
        """The settings of this process; flags that are None were not given.

        Raises UsageError that names every setting that is wrong, and never its value.
        """
        set_flags = {name: value for name, value in flags.items() if value is not None}
        try:
            return cls(**(_below_the_environment(cls, config) | set_flags))
        except ValidationError as error:
            raise UsageError(_explained(error)) from None

    def base_url(self, port: int | None = None) -> str:
        """What webhook and callback URLs begin with.

        A server on every address (`0.0.0.0`, `::`) is named by the name of its machine: nobody can
        post to `0.0.0.0`.
        """
        name = gethostname() if is_every_address(self.host) else self.host
        host = f"[{name}]" if ":" in name else name
        return self.public_url or f"http://{host}:{port or self.port}"


def _below_the_environment(cls: type[Settings], config: Path | None) -> dict[str, Any]:
    """The values of the config file that no variable of the environment overrides."""
    if config is None:
        return {}
    try:
        text = config.read_text("utf-8")
        values = InitSettingsSource(cls, tomllib.loads(text))()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the configuration {config}: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{config} is not TOML: {error}") from None
    return {name: value for name, value in values.items() if name not in EnvSettingsSource(cls)()}


def _explained(error: ValidationError) -> str:
    lines = []
    for problem in error.errors(include_input=False, include_url=False):
        name = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            lines.append(f"setting '{name}' is unknown; docs/operating.md lists them all")
        else:
            lines.append(f"setting '{name}': {problem['msg'].removeprefix('Value error, ')}")
    return "\n".join(lines)
