"""The URL of a webhook, shown to operators: it can be worked out again, and is stored nowhere."""

from reconciler.control.unreadable import unreadable
from reconciler.core.webhooks.token import webhook_token
from reconciler.store.objects.overview import ShownTrigger
from reconciler.web.http.context import Context


def webhook_url(context: Context, trigger: ShownTrigger) -> str:
    """What a sender posts to. The trigger must be a webhook's.

    Raises Conflict where its row was made unreadable by hand.
    """
    generation = trigger.document.get("tokenGeneration")
    if type(generation) is not int:
        raise unreadable(f"trigger {trigger.name}")
    token = webhook_token(context.server_key, trigger.id, generation)
    return f"{context.base_url}/v1/webhooks/{token}"
