"""Requests that are no events: pings and challenges, and the name of an event."""

from dataclasses import dataclass

from reconciler.core.webhooks.errors import BodyError
from reconciler.core.webhooks.form import parse_form
from reconciler.core.webhooks.payload import JSONValue
from reconciler.core.webhooks.schemes import SCHEMES, Field, Row, look_up
from reconciler.core.webhooks.signature import Headers

MAX_CHALLENGE = 1024
MAX_EVENT = 100


@dataclass(frozen=True, slots=True)
class Pong:
    """A test of the connection: answer 200 `{"status": "pong"}` and start nothing."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """A proof of the URL's ownership: answer 200 with `body` as JSON and start nothing."""

    name: str
    value: str

    @property
    def body(self) -> dict[str, str]:
        """What the sender wants to read: its own text under its own name."""
        return {self.name: self.value}


def handshake(scheme: str, headers: Headers, payload: JSONValue = None) -> Pong | Challenge | None:
    """What a verified request wants that is no event; None for an event.

    Ask with the headers before the body is parsed (GitHub's ping), and again with the payload.
    Raises `BodyError` 400 for a challenge that is no text of 1 to 1024 printable ASCII characters.
    """
    for greeting in SCHEMES.get(scheme, Row()).greetings:
        if look_up(greeting.place, headers, payload) != greeting.text:
            continue
        return _challenge(greeting.echo, payload) if greeting.echo else Pong()
    return None


def confirmation(scheme: str, query: str) -> str | None:
    """The text that confirms the URL to its sender; None where the query asks for none.

    Nothing is signed here: whoever knows the URL may ask. Raises `BodyError` 400 for a text that is
    not 1 to 1024 printable ASCII characters.
    """
    name = SCHEMES.get(scheme, Row()).confirmation
    if not name or f"{name}=" not in query:
        return None
    value = parse_form(query).get(name, "")
    if value and len(value) <= MAX_CHALLENGE and value.isascii() and value.isprintable():
        return value
    raise BodyError(
        "challenge-invalid",
        f"'{name}' is not a text of 1 to {MAX_CHALLENGE} printable ASCII characters",
    )


def event_name(scheme: str, headers: Headers, payload: JSONValue) -> str | None:
    """What the sender calls this event (`push`, `incident.triggered`), for logs and lists."""
    for place in SCHEMES.get(scheme, Row()).event:
        name = look_up(place, headers, payload)
        if name and len(name) <= MAX_EVENT and name.isascii() and name.isprintable():
            return name
    return None


def _challenge(name: str, payload: JSONValue) -> Challenge:
    value = look_up(Field((name,)), {}, payload)
    if value and len(value) <= MAX_CHALLENGE and value.isascii() and value.isprintable():
        return Challenge(name, value)
    raise BodyError(
        "challenge-invalid",
        f"'{name}' is not a text of 1 to {MAX_CHALLENGE} printable ASCII characters",
    )
