"""The child process that sends one batch through Apprise (started by `apprise_channel.py`).

It reads lines of JSON from stdin, first the URL, then messages, each of which it answers with a
line on stdout before it reads the next one. What Apprise logs goes nowhere but into the reason of a
failure, without any part of the URL.
"""

import json
import logging
import re
import sys
from typing import Any
from urllib.parse import unquote

from reconciler.core.base.invisible import one_line
from reconciler.core.base.masking import MASK, mask

LONGEST = 300
"""Characters of a reason."""
_SHORTEST = 4
"""Pieces of a URL that are shorter say nothing, and stand in ordinary words."""


class _Reasons(logging.Handler):
    """Remembers what Apprise last complained of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.last = record.getMessage()


def main() -> None:
    """Send what stdin asks for, until it ends."""
    url = json.loads(sys.stdin.readline())
    reasons = _Reasons()
    logger = logging.getLogger("apprise")
    logger.handlers, logger.propagate = [reasons], False
    logger.setLevel(logging.WARNING)
    try:
        import apprise
    except ImportError:
        _answer(None, "Apprise is not installed: pip install 'autopilot-reconciler[notify]'")
        return
    channel = apprise.Apprise(
        asset=apprise.AppriseAsset(
            app_id="reconciler",
            app_desc="reconciler",
            app_url="",
            async_mode=False,
            storage_mode=apprise.PersistentStoreMode.MEMORY,
        )
    )
    if not channel.add(url) or not len(channel):
        _answer(None, "Apprise knows no service by this URL")
        return
    for line in sys.stdin:
        reasons.last = ""
        why = _send(apprise, channel, json.loads(line), reasons)
        _answer(not why, without_parts_of(url, why))


def _send(apprise: Any, channel: Any, message: dict[str, str], reasons: _Reasons) -> str:
    """Return why it was not sent; nothing where it was."""
    # A text that is too long for a service is cut rather than refused.
    for service in getattr(channel, "services", ()):
        service.overflow_mode = apprise.OverflowMode.TRUNCATE
    try:
        sent = channel.notify(
            body=message["text"], title=message["title"], body_format=apprise.NotifyFormat.TEXT
        )
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything
        return f"Apprise failed: {type(error).__name__}: {error}"
    return "" if sent else reasons.last or "Apprise did not say why"


def without_parts_of(url: str, reason: str) -> str:
    """A reason without anything that stands in the URL: each of its parts may be a token."""
    scheme, _, remainder = url.partition("://")
    parts = set(re.split(r"[^A-Za-z0-9]+", f"{remainder} {unquote(remainder)}"))
    reason = mask(reason)
    for part in sorted(parts, key=len, reverse=True):
        if len(part) >= _SHORTEST and part.lower() != scheme.lower():
            reason = re.sub(re.escape(part), MASK, reason, flags=re.IGNORECASE)
    return one_line(reason, LONGEST)


def _answer(sent: bool | None, why: str = "") -> None:
    """`sent` is None where the channel itself cannot be used."""
    print(json.dumps({"sent": sent, "why": why}), flush=True)  # noqa: T201 - the parent reads it
