"""What `serve` says once it is up: its address, what is due next, what to try."""

import shlex
from datetime import datetime, timedelta

from reconciler.core.manifest.fields import format_instant
from reconciler.core.manifest.trigger import Scheme, WebhookTrigger
from reconciler.core.runs.standing import InForce, standing_of
from reconciler.core.webhooks.token import webhook_token
from reconciler.store.engine.database import Database, Tx
from reconciler.store.objects.triggers import NamedTrigger, soonest_triggers, webhook_triggers
from reconciler.store.runs.switches import read_switches

SOONEST = 100
"""Triggers among which one that takes work, or one that anybody may call, is looked for."""


def banner(database: Database, key: bytes | None, url: str, cooldown: timedelta) -> str:
    """A few lines for a terminal; the `curl` line is never wrapped, so that it can be pasted.

    Without the server key no token is shown: where a server is guarded its output is a log, and
    tokens are in no log.
    """
    address = ["", f"Dashboard:  {url}/"]

    def read(tx: Tx) -> list[str]:
        return _lines(tx, database.now(tx), key, url, cooldown)

    try:
        return "\n".join([*address, *database.read(read)])
    except (AttributeError, LookupError, TypeError, ValueError):
        # A row that somebody broke by hand: what is only shown must not end a server that is up.
        return "\n".join([*address, ""])


def _lines(tx: Tx, now: datetime, key: bytes | None, url: str, cooldown: timedelta) -> list[str]:
    lines = []
    for owner, trigger in _coming(tx, now, cooldown):
        if trigger.next_run_at is not None:
            seconds = max(0, round((trigger.next_run_at - now).total_seconds()))
            moment = format_instant(trigger.next_run_at)
            lines.append(f"Next:       {owner}/{trigger.name} at {moment}, in {seconds} s")
    for owner, trigger in webhook_triggers(tx, SOONEST):
        if key is None:
            lines.append(f"Webhook:    reconciler webhook url {owner}/{trigger.name}")
            break
        if (line := _curl(trigger, key, url)) is not None:
            lines += [f"Webhook:    {owner}/{trigger.name}; try it:", "", line]
            break
    return [*lines, ""]


def _coming(tx: Tx, now: datetime, cooldown: timedelta) -> list[tuple[str, NamedTrigger]]:
    """The trigger that is due next, of an autopilot that takes work."""
    soonest = soonest_triggers(tx, SOONEST)
    rows = read_switches(tx, [trigger.autopilot_id for _, trigger in soonest])
    standings = {id_: standing_of(row.switches, cooldown, now) for id_, row in rows.items()}
    return [
        (owner, trigger)
        for owner, trigger in soonest
        if isinstance(standings.get(trigger.autopilot_id), InForce)
    ][:1]


def _curl(trigger: NamedTrigger, key: bytes, url: str) -> str | None:
    """A request that works when pasted; only for triggers that need no signature and no filter."""
    hook = WebhookTrigger.model_validate(trigger.document)
    if hook.signature.scheme is not Scheme.NONE or hook.when is not None or not hook.enabled:
        return None
    token = webhook_token(key, trigger.id, hook.token_generation)
    parts = ["curl", "-sS", "-X", "POST", f"{url}/v1/webhooks/{token}"]
    parts += ["-H", "Content-Type: application/json", "-d", '{"text": "hello from curl"}']
    return shlex.join(parts)
