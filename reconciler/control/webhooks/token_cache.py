"""What webhook tokens open, remembered for a moment, so that busy webhooks need no query.

Nothing is decided by what is remembered: `accept_all` compares it with the rows that it holds, and
every refusal is made from a fresh read (control/webhooks/intake.py).
"""

from collections import OrderedDict
from dataclasses import dataclass, field

from reconciler.control.unreadable import readable, unreadable
from reconciler.core.access.token_hash import token_hash
from reconciler.core.manifest.trigger import WebhookTrigger
from reconciler.core.runs.live import LiveAutopilot
from reconciler.store.engine.database import Database, Tx
from reconciler.store.webhooks.webhooks import WebhookTarget, find_webhook

AGE = 1.0
"""Seconds for which what was read may be used."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The trigger and autopilot that a token opens."""

    target: WebhookTarget
    trigger: WebhookTrigger
    live: LiveAutopilot


@dataclass(slots=True)
class TokenCache:
    """Looks tokens up. At most `most` are remembered, by their hashes, the oldest forgotten first.

    Only tokens that open something are remembered: guesses take no room. Moments are seconds of a
    monotonic clock, passed in.
    """

    database: Database
    most: int = 1024
    _known: OrderedDict[str, tuple[float, Opened]] = field(default_factory=OrderedDict)

    def remembered(self, token: str, now: float) -> Opened | None:
        """What the token opened at the last look-up, if that was just now."""
        digest = token_hash(token)
        at, opened = self._known.get(digest, (now, None))
        if opened is not None and now - at >= AGE:
            # One request reads again; the others must not all do so at the same moment.
            self._known[digest] = (now, opened)
            return None
        return opened

    async def look_up(self, token: str, now: float) -> Opened | None:
        """What the token opens; None for one that is unknown. Raises Conflict where the rows were
        made unreadable by hand."""
        digest = token_hash(token)
        opened = await self.database.aread(lambda tx: self._find(tx, digest))
        self._known.pop(digest, None)
        if opened is not None:
            self._known[digest] = (now, opened)
            if len(self._known) > self.most:
                self._known.popitem(last=False)
        return opened

    def _find(self, tx: Tx, digest: str) -> Opened | None:
        target = find_webhook(tx, digest, self.database.now(tx))
        if target is None:
            return None
        live = readable(tx, target.autopilot_id)
        try:
            trigger = WebhookTrigger.model_validate(target.document)
        except ValueError:
            raise unreadable(f"trigger {target.name} of {live.workspace}/{live.name}") from None
        return Opened(target, trigger, live)
