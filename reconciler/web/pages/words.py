"""Moments, lengths and triggers in words, for people who look at the dashboard."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from reconciler.core.calendar.cron_words import cron_words
from reconciler.core.calendar.errors import ScheduleError
from reconciler.core.calendar.zone import zone
from reconciler.core.manifest.merge import MISSING

_UNITS = (
    ("day", timedelta(days=1)),
    ("hour", timedelta(hours=1)),
    ("minute", timedelta(minutes=1)),
    ("second", timedelta(seconds=1)),
)
_SOON = timedelta(seconds=10)
_ID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_SCHEMES = {
    "none": "from anybody who knows the URL",
    "github": "signed by GitHub",
    "gitlab": "from GitLab",
    "standard": "signed by Standard Webhooks",
    "stripe": "signed by Stripe",
    "slack": "signed by Slack",
    "linear": "signed by Linear",
    "sentry": "signed by Sentry",
    "pagerduty": "signed by PagerDuty",
    "shopify": "signed by Shopify",
    "hmac_sha256": "signed with HMAC-SHA256",
    "bearer": "with a bearer token",
    "microsoft_graph": "from Microsoft Graph",
    "basic": "with a user name and a password",
}


_DONE = {
    "create": "created",
    "update": "updated",
    "move": "moved",
    "archive": "archived",
    "restore": "restored",
}


_WAITS = {
    "queue": "in the queue",
    "replace": "for the end of the run that it replaces",
    "agent": "for its agent",
    "claim": "for a worker",
    "quota": "for its agent's quota",
    "retry": "for its next attempt",
    "approval": "for an approval",
}


def waits(for_: str) -> str:
    """What a run waits for, after "waits"."""
    return _WAITS.get(for_, f"for {for_}")


def done(action: str) -> str:
    """What became of an object, by the action of a plan."""
    return _DONE.get(action, action)


def relative(at: datetime, now: datetime) -> str:
    """`in 5 minutes`, `3 hours ago`, `now`."""
    distance = at - now
    if abs(distance) < _SOON:
        return "now"
    words = length(abs(distance))
    return f"in {words}" if distance > timedelta(0) else f"{words} ago"


def short_ids(sentence: str) -> str:
    """The sentence for a list, with the ends of ids: the page of a run has them whole."""
    return _ID.sub(lambda match: f"…{match[0][-6:]}", sentence)


def capitalized(sentence: str) -> str:
    """The sentence with a capital first letter, unless a name begins it; the others as they are."""
    first = sentence.partition(" ")[0].rstrip(",.:;").replace("'", "")
    return sentence[:1].upper() + sentence[1:] if first.isalpha() else sentence


def length(distance: timedelta) -> str:
    """A length in its largest unit, rounded down: `2 days`, `1 hour`, `40 seconds`."""
    for name, unit in _UNITS:
        if distance >= unit:
            count = distance // unit
            return f"{count} {name}{'' if count == 1 else 's'}"
    return "less than a second"


def duration(milliseconds: int | None) -> str:
    """How long work took: `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`."""
    if milliseconds is None:
        return ""
    seconds = milliseconds / 1000
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, remaining = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {remaining} s" if minutes else f"{remaining} s"


def shown_moment(at: datetime, now: datetime) -> str:
    """`2 Nov, 09:00:12 UTC`: seconds unless they are 0, the year unless it is this one."""
    moment = at.astimezone(UTC)
    year = "" if moment.year == now.year else f" {moment.year}"
    clock = f"{moment:%H:%M:%S}" if moment.second else f"{moment:%H:%M}"
    return f"{moment.day} {moment:%b}{year}, {clock} UTC"


def in_zones(at: datetime, name: str) -> str:
    """`Mon, 2 Nov 2026, 08:00:12 UTC`, and the same on the clocks of another zone."""
    moment = at.astimezone(UTC)
    utc = f"{moment:%a}, {moment.day} {moment:%b %Y, %H:%M:%S} UTC"
    if name == "UTC":
        return utc
    try:
        offset = zone(name).segment(int(at.timestamp())).offset
    except ScheduleError:  # a row that was edited by hand may say anything
        return utc
    return f"{utc} ({moment + timedelta(seconds=offset):%a %H:%M} in {name})"


def shown_fire(local: str) -> str:
    """A moment on the clock of its zone, RFC 3339, as `Mon 30 Nov, 09:00 +01:00`."""
    at = datetime.fromisoformat(local)
    offset = local[-6:] if at.utcoffset() else "UTC"
    clock = f"{at:%H:%M:%S}" if at.second else f"{at:%H:%M}"
    return f"{at:%a} {at.day} {at:%b}, {clock} {offset}"


def shown_value(value: object) -> str:
    """A value of a manifest as text."""
    if value is MISSING:
        return "(not there)"
    if isinstance(value, list) and value and all(map(_is_rule, value)):
        return "; ".join(f"{rule['to']}: {', '.join(rule['on'])}" for rule in value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _is_rule(value: object) -> bool:
    """Whether this is who is told of what, `{on, to}`."""
    if not isinstance(value, dict) or value.keys() != {"on", "to"}:
        return False
    events, channel = value["on"], value["to"]
    return (
        isinstance(channel, str)
        and isinstance(events, list)
        and all(isinstance(e, str) for e in events)
    )


def trigger_words(trigger: Mapping[str, Any]) -> str:
    """What fires a trigger, in a few words."""
    match trigger["kind"]:
        case "schedule":
            return _schedule_words(trigger)
        case "webhook":
            scheme = str(trigger.get("signature", {}).get("scheme", ""))
            return f"Requests {_SCHEMES.get(scheme, scheme)}"
        case _:
            return "A call of the API"


def _schedule_words(trigger: Mapping[str, Any]) -> str:
    if cron := trigger.get("cron"):
        return cron_words(str(cron)) or f"Cron {cron}"
    if every := trigger.get("every"):
        return f"Every {every}"
    return f"Once, at {trigger.get('at')}"
