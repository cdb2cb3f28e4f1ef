"""`reconciler notify test`: does a channel of the settings work?"""

import asyncio
import os
from typing import Annotated

import typer

from reconciler.cli import options
from reconciler.cli.console import out
from reconciler.clock import SystemClock
from reconciler.control.notify.channel import NotSent, Sent
from reconciler.control.notify.channels import channels_of
from reconciler.control.notify.trial import try_channel
from reconciler.control.notify.webhook_channel import WebhookChannel
from reconciler.core.base.errors import Unavailable, UsageError
from reconciler.core.base.near import did_you_mean
from reconciler.settings import Settings

app = typer.Typer(rich_markup_mode="rich", add_completion=False, no_args_is_help=True)


@app.callback()
def notify() -> None:
    """Try the channels that notifications go to."""


@app.command("test")
def send_test(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The channel.")],
    config: options.Config = None,
) -> None:
    """Send a test message to a channel of the settings, and say how it fared.

    It is sent from here, with the settings and the secrets of this command; no server is needed.
    Exit code 1 if it was not sent.
    """
    settings = Settings.load(config)
    if name not in settings.channel_workspaces:
        hint = did_you_mean(name, settings.channel_workspaces)
        raise UsageError(f"the settings have no channel {name!r}{hint or '; see [channels.NAME]'}")
    outcome = asyncio.run(_send(settings, name))
    if isinstance(outcome, NotSent):
        raise Unavailable(f"channel {name}: {outcome.why}")
    out(f"channel {name}: sent")


async def _send(settings: Settings, name: str) -> Sent | NotSent:
    channel = channels_of(settings.channels, os.environ)[name]
    within = settings.notify.timeout.total_seconds()
    try:
        return await try_channel(channel, name, SystemClock().now(), within)
    finally:
        if isinstance(channel, WebhookChannel):
            await channel.close()
