"""`reconciler webhook url`: show the URL that a provider posts to."""

from typing import Annotated

import typer

from reconciler.cli import options
from reconciler.cli.console import out
from reconciler.cli.lookup import find_autopilot
from reconciler.cli.session import opened
from reconciler.control.access.keys import server_key
from reconciler.control.serving import serving
from reconciler.control.unreadable import unreadable
from reconciler.core.base.errors import NotFound, UsageError
from reconciler.core.manifest.trigger import TriggerKind, WebhookTrigger
from reconciler.core.webhooks.token import webhook_token
from reconciler.settings import Settings
from reconciler.store.objects.triggers import NamedTrigger, list_triggers

app = typer.Typer(rich_markup_mode="rich", add_completion=False, no_args_is_help=True)


@app.callback()
def webhook() -> None:
    """Show webhook URLs."""


@app.command()
def url(
    name: Annotated[
        str, typer.Argument(metavar="NAME/TRIGGER", help="name/trigger or workspace/name/trigger")
    ],
    database: options.Database = None,
    config: options.Config = None,
) -> None:
    """Show the URL of a webhook trigger. Whoever knows it may post; treat it as a secret."""
    settings = Settings.load(config, database=database)
    owner, slash, trigger_name = name.rpartition("/")
    if not slash:
        raise UsageError(f"{name!r} names no trigger; write NAME/TRIGGER")
    with opened(settings) as state:
        state.require_current_schema()
        stored = find_autopilot(state, owner)
        triggers = state.read(lambda tx: list_triggers(tx, stored.id))
        servers = serving(state)
    trigger = _webhook(triggers, owner, trigger_name)
    try:
        generation = WebhookTrigger.model_validate(trigger.document).token_generation
    except ValueError:
        raise unreadable(f"trigger {name}") from None
    base = settings.public_url or (servers[0].url if servers else settings.base_url())
    token = webhook_token(
        server_key(settings.key_file, settings.secrets_dir), trigger.id, generation
    )
    out(f"{base}/v1/webhooks/{token}")


def _webhook(triggers: list[NamedTrigger], owner: str, name: str) -> NamedTrigger:
    hooks = [trigger for trigger in triggers if trigger.kind == TriggerKind.WEBHOOK]
    hook = next((trigger for trigger in hooks if trigger.name == name), None)
    if hook is None:
        names = ", ".join(trigger.name for trigger in hooks) or "none"
        raise NotFound(f"{owner} has no webhook trigger {name!r}; it has: {names}")
    return hook
