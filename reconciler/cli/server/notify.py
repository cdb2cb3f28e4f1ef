"""`reconciler notify`: does a channel of the settings work? And what was given up, once more."""

import asyncio
import json
import os
from typing import Annotated
from uuid import UUID

import typer

from reconciler.cli import options
from reconciler.cli.console import out
from reconciler.cli.session import actor, opened
from reconciler.clock import SystemClock
from reconciler.control.notify.channel import NotSent
from reconciler.control.notify.channels import channels_of
from reconciler.control.notify.trial import try_channel
from reconciler.control.notify.webhook_channel import WebhookChannel
from reconciler.core.base.errors import NotFound, Unavailable, UsageError
from reconciler.core.base.near import did_you_mean
from reconciler.settings import Settings

app = typer.Typer(rich_markup_mode="rich", add_completion=False, no_args_is_help=True)


@app.callback()
def notify() -> None:
    """Try the channels that notifications go to, and send again what was given up."""


@app.command("test")
def send_test(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The channel.")],
    server: options.Server = None,
    token_file: options.TokenFile = None,
    config: options.Config = None,
) -> None:
    """Send a test message to a channel, and say how it fared.

    It is sent from here, with the settings and the secrets of this command; with --server by that
    server, with its own. Exit code 1 if it was not sent.
    """
    settings = Settings.load_for_state(config, server=server, database=None, token_file=token_file)
    why = asyncio.run(_sent(settings, name)) if settings.server is None else _asked(settings, name)
    if why is not None:
        raise Unavailable(f"channel {name}: {why}")
    out(f"channel {name}: sent")


@app.command("resend")
def send_again(
    notification: Annotated[str, typer.Argument(metavar="ID", help="The notification.")],
    database: options.Database = None,
    server: options.Server = None,
    token_file: options.TokenFile = None,
    config: options.Config = None,
) -> None:
    """Have a dead notification sent again: one that could not be sent for a day.

    A running server sends it, under the same id, and tries for another day.
    """
    settings = Settings.load_for_state(
        config, server=server, database=database, token_file=token_file
    )
    if settings.server is None:
        _resend_here(settings, notification)
    else:
        _resend_there(settings, notification)
    out(f"notification {notification}: a running server sends it again")


def _resend_here(settings: Settings, notification: str) -> None:
    from reconciler.control.notify.resending import resend

    with opened(settings) as state:
        state.require_current_schema()
        who, now = actor(), state.now
        state.write(lambda tx: resend(tx, notification.lower(), who, now(tx)))


def _resend_there(settings: Settings, notification: str) -> None:
    from reconciler.cli.backend.connection import connected

    try:
        id_ = UUID(notification)  # nothing else may get into an address
    except ValueError:
        raise NotFound(f"there is no notification {notification}") from None
    with connected(settings) as connection:
        connection.post(f"/v1/notifications/{id_}/resend")


def _asked(settings: Settings, name: str) -> str | None:
    from reconciler.cli.backend.connection import connected

    with connected(settings) as connection:
        answer = json.loads(connection.post("/v1/channels/test", {"channel": name}))
    return None if answer["sent"] else str(answer["why"])


async def _sent(settings: Settings, name: str) -> str | None:
    channel = channels_of(settings.channels, os.environ).get(name)
    if channel is None:
        hint = did_you_mean(name, settings.channel_workspaces)
        raise UsageError(f"the settings have no channel {name!r}{hint or '; see [channels.NAME]'}")
    within = settings.notify.timeout.total_seconds()
    try:
        outcome = await try_channel(channel, name, SystemClock().now(), within)
    finally:
        if isinstance(channel, WebhookChannel):
            await channel.close()
    return outcome.why if isinstance(outcome, NotSent) else None
