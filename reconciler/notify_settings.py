"""The part of the settings that says where notifications go (docs/notifications.md)."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from reconciler.core.base.near import did_you_mean
from reconciler.core.base.units import parse_duration
from reconciler.core.manifest.checks.notify import LOG_CHANNEL, is_open_to
from reconciler.core.manifest.fields import NAME_PATTERN
from reconciler.core.manifest.notify import Event
from reconciler.core.manifest.reach import parse_url
from reconciler.core.notify.routing import EVERY_WORKSPACE, Defaults

ChannelName = Annotated[str, Field(pattern=NAME_PATTERN)]
_PERIOD = BeforeValidator(lambda value: parse_duration(value) if isinstance(value, str) else value)


class Place(BaseModel):
    """Where a secret of the operator is read, each time that it is used."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """A variable of the server's environment."""
    file: Path | None = None
    """A file; a line break at its end is left out."""

    @model_validator(mode="after")
    def _is_exactly_one(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError("exactly one of env and file says where the secret is")
        return self


def _http_url(value: str) -> str:
    url = parse_url(value)
    if url is None or url.user is not None:
        raise ValueError("must be an http or https URL without a user")
    return value


class ChannelSettings(BaseModel):
    """A channel: a service by its URL, or a webhook that is signed by Standard Webhooks."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Place | None = None
    """Where the URL is found by which Apprise knows the service."""
    webhook: Annotated[str, AfterValidator(_http_url)] | Place | None = Field(
        default=None, repr=False
    )
    """The URL of a webhook, or where it is found."""
    secret: Place | None = None
    """Where the secret of the webhook is found, `whsec_…`."""
    workspaces: frozenset[ChannelName] | None = None
    """The workspaces that may use it; every one by default."""
    links: bool = False
    """Whether URLs in the words of agents and senders stay links."""

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        if (self.url is None) == (self.webhook is None):
            raise ValueError("exactly one of url and webhook says where it leads")
        if (self.webhook is None) != (self.secret is None):
            raise ValueError("a webhook has a secret, and nothing else has one")
        return self


class NotifySettings(BaseModel):
    """Table `[notify]`; its tables by the name of a workspace, or `*`, are that one's defaults."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    revision_failed: tuple[ChannelName, ...] = ()
    """The channels that hear of revisions that did not apply."""
    timeout: Annotated[
        timedelta, _PERIOD, Field(ge=timedelta(seconds=1), le=timedelta(minutes=2))
    ] = timedelta(seconds=10)
    """How long one message may take."""
    workspaces: dict[str, dict[Event, tuple[ChannelName, ...]]] = Field(default_factory=dict)
    """The channels by event, for autopilots without `notify`."""

    @model_validator(mode="before")
    @classmethod
    def _tables_are_workspaces(cls, value: Any) -> Any:
        if not isinstance(value, Mapping) or "workspaces" in value:
            return value
        tables = {name: table for name, table in value.items() if isinstance(table, Mapping)}
        others = {name: item for name, item in value.items() if name not in tables}
        return {**others, "workspaces": tables}

    @property
    def defaults(self) -> Defaults:
        """As the rules take it."""
        spaces = {
            name: {event.value: channels for event, channels in rules.items()}
            for name, rules in self.workspaces.items()
        }
        return Defaults(spaces, self.revision_failed)

    def faults(self, channels: Mapping[str, frozenset[str] | None]) -> Iterator[str]:
        """What is wrong with its names, beside the channels that there are."""
        named = [(EVERY_WORKSPACE, "notify.revision_failed", to) for to in self.revision_failed]
        for workspace, rules in self.workspaces.items():
            for event, to in rules.items():
                named += [(workspace, f"notify.{workspace}.{event}", channel) for channel in to]
        for workspace, place, name in named:
            if name not in channels:
                yield f"{place}: there is no channel {name!r}{did_you_mean(name, channels)}"
            elif workspace != EVERY_WORKSPACE and not is_open_to(channels[name], workspace):
                yield f"{place}: channels.{name}.workspaces does not name {workspace!r}"
            elif workspace == EVERY_WORKSPACE and channels[name] is not None:
                yield f"{place}: the channel {name!r} is for its workspaces only"


def channel_workspaces(
    channels: Mapping[str, ChannelSettings],
) -> dict[str, frozenset[str] | None]:
    """Every channel that there is, with the workspaces that may use it; None is all of them."""
    declared = {name: channel.workspaces for name, channel in channels.items()}
    return {LOG_CHANNEL: None, **declared}
