"""The channels of notifications: whether each can be used, and what it left undone."""

from collections.abc import Iterator, Mapping
from datetime import timedelta

from reconciler.control.doctor.check import Check, error, ok, warning
from reconciler.control.notify.channels import read_place
from reconciler.control.notify.webhook_channel import ChannelUnusable
from reconciler.core.webhooks.signing_key import SecretInvalid, standard_key
from reconciler.notify_settings import ChannelSettings, Place
from reconciler.settings import Settings
from reconciler.store.engine.database import Database, Tx
from reconciler.store.notify.lists import ChannelState, channel_states

CHANNELS = "channels"
LATELY = timedelta(days=1)
"""Notifications that were given up in this time are shown."""


def check_channels(
    database: Database, settings: Settings, environment: Mapping[str, str]
) -> Iterator[Check]:
    """Every channel has its secrets; none has given up or left anything waiting."""
    checks: list[Check] = []
    for name, channel in sorted(settings.channels.items()):
        if (why := _unusable(channel, environment)) is not None:
            fix = "set it for the server, then try `reconciler notify test`"
            checks.append(error(CHANNELS, f"{name} cannot be used: {why}", fix))

    def read(tx: Tx) -> Mapping[str, ChannelState]:
        return channel_states(tx, database.now(tx) - LATELY)

    for name, state in database.read(read).items():
        checks += _states(name, state, known=name in settings.channel_workspaces)
    yield from checks or [ok(CHANNELS, f"nothing is wrong with the {len(settings.channels) + 1}")]


def _unusable(channel: ChannelSettings, environment: Mapping[str, str]) -> str | None:
    try:
        for place in (channel.url, channel.webhook):
            if isinstance(place, Place):
                read_place(place, environment)
        if channel.secret is not None:
            standard_key(read_place(channel.secret, environment))
    except SecretInvalid as invalid:
        return f"the secret of the webhook {invalid}"
    except ChannelUnusable as unusable:
        return str(unusable)
    return None


def _states(name: str, state: ChannelState, *, known: bool) -> Iterator[Check]:
    fix = "try `reconciler notify test`" if known else f"declare [channels.{name}]"
    why = f": {state.error}" if state.error else ""
    if not known and state.pending:
        message = f"{name} is not declared, and {state.pending} notifications wait for it"
        yield error(CHANNELS, message, fix)
    elif state.pending and state.error:
        yield warning(CHANNELS, f"{state.pending} notifications wait for {name}{why}", fix)
    if state.dead:
        message = f"{state.dead} notifications for {name} were given up lately{why}"
        yield error(CHANNELS, message, f"{fix}; then `reconciler notify resend ID`")
