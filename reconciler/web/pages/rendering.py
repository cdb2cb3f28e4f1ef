"""Templates: everything is escaped, a name that is missing is an error, moments are marked up."""

import hashlib
import json
import re
import secrets
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from reconciler.core.base.invisible import INVISIBLE
from reconciler.core.base.money import format_dollars
from reconciler.core.manifest.fields import format_instant
from reconciler.web.pages.words import (
    capitalized,
    done,
    duration,
    in_zones,
    relative,
    short_ids,
    shown_fire,
    shown_moment,
    shown_value,
    trigger_words,
    waits,
)

HERE = Path(__file__).parent.parent
STATIC = HERE / "static"
LARGEST_SHOWN = 64 * 1024
"""Characters of a payload or result that a page shows."""


@cache
def environment() -> Environment:
    """The templates, compiled once."""
    templates = Environment(
        autoescape=True,
        loader=FileSystemLoader(HERE / "templates"),
        lstrip_blocks=True,
        trim_blocks=True,
        undefined=StrictUndefined,
        auto_reload=False,
        finalize=visible,
    )
    templates.filters |= {
        "moment": moment,
        "taken": duration,
        "done": done,
        "fires": trigger_words,
        "dollars": format_dollars,
        "capitalize_first": capitalized,
        "short_ids": short_ids,
        "exact": Exact,
        "rendered": Rendered,
        "value": shown_value,
        "waits": waits,
        "fire": shown_fire,
    }
    templates.globals |= {"asset": asset, "new_key": new_key}
    return templates


class Exact:
    """A text for a field of a form, which comes back just so: nothing in it is made visible."""

    def __init__(self, text: object) -> None:
        self.text = str(text)

    def __html__(self) -> Markup:
        return escape(self.text)


class Rendered:
    """What a macro made, in which `exact` texts stay just so: each of its parts was looked at."""

    def __init__(self, markup: Markup) -> None:
        self.markup = markup

    def __html__(self) -> Markup:
        return self.markup


def visible(value: Any) -> Any:
    """A text in which characters that nobody sees are written as escapes, `\\u202e`.

    Titles, payloads and results come from strangers: a bidirectional control would make a page
    seem to say something else. Line breaks and tabs stay.
    """
    if not isinstance(value, str) or not INVISIBLE.search(value):
        return value
    shown = INVISIBLE.sub(_escaped, value)
    return Markup(shown) if isinstance(value, Markup) else shown  # noqa: S704 - as safe as before


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    if character in "\n\r\t":
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def render(template: str, **values: Any) -> str:
    """A page as HTML."""
    return environment().get_template(template).render(**values)


def moment(
    at: datetime | None, now: datetime, *, otherwise: str = "never", zone: str = "UTC"
) -> Markup:
    """A moment in words, and exactly, for people and machines; the trigger's `zone` on hover."""
    if at is None:
        return Markup('<span class="never">{}</span>').format(otherwise)
    return Markup(
        '<time datetime="{}" title="{}"><span class="relative">{}</span> '
        '<span class="exact">{}</span></time>'
    ).format(format_instant(at), in_zones(at, zone), relative(at, now), shown_moment(at, now))


@cache
def asset(name: str) -> str:
    """The address of a static file; another content is another address."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"


def new_key() -> str:
    """A key for one form of one rendering: however often it is sent, it starts one run."""
    return secrets.token_urlsafe(16)


def shown_json(value: Any) -> tuple[str, bool]:
    """A payload or result as text, and whether it was cut. A text is shown as it is."""
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    return text[:LARGEST_SHOWN], len(text) > LARGEST_SHOWN
