"""The channels of one process, out of the settings; secrets are read when they are used."""

from collections.abc import Callable, Mapping
from pathlib import Path

from reconciler.control.notify.apprise_channel import AppriseChannel
from reconciler.control.notify.channel import Channel
from reconciler.control.notify.log_channel import LogChannel
from reconciler.control.notify.webhook_channel import ChannelUnusable, WebhookChannel
from reconciler.core.manifest.checks.notify import LOG_CHANNEL
from reconciler.notify_settings import ChannelSettings, Place

_LARGEST = 16 * 1024


def channels_of(
    settings: Mapping[str, ChannelSettings], environment: Mapping[str, str]
) -> dict[str, Channel]:
    """Every channel by name."""
    channels: dict[str, Channel] = {LOG_CHANNEL: LogChannel()}
    for name, channel in settings.items():
        channels[name] = _channel(channel, environment)
    return channels


def _channel(settings: ChannelSettings, environment: Mapping[str, str]) -> Channel:
    if settings.webhook is not None and settings.secret is not None:
        url, secret = _reader(settings.webhook, environment), _reader(settings.secret, environment)
        return WebhookChannel(url, secret)
    return AppriseChannel(_reader(settings.url or "", environment), links=settings.links)


def _reader(place: Place | str, environment: Mapping[str, str]) -> Callable[[], str]:
    return lambda: place if isinstance(place, str) else read_place(place, environment)


def read_place(place: Place, environment: Mapping[str, str]) -> str:
    """The secret. Raises ChannelUnusable, which says where it was looked for."""
    if place.env is not None:
        if not (value := environment.get(place.env, "").strip()):
            raise ChannelUnusable(f"the server's environment has no {place.env}")
        return value
    path = place.file or Path()
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST + 1).decode("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise ChannelUnusable(f"the file {path} cannot be read") from None
    if not text or len(text) > _LARGEST:
        raise ChannelUnusable(f"the file {path} is empty or too large")
    return text
