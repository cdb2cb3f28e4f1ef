"""The settings in force as the settings file has them; what may hold a password is masked."""

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from pydantic import BaseModel

from reconciler.core.base.masking import MASK, mask
from reconciler.core.base.toml_text import toml_text
from reconciler.core.base.units import format_duration, parse_duration
from reconciler.core.manifest.reach import parse_url
from reconciler.notify_settings import ChannelSettings, NotifySettings
from reconciler.settings import Settings, SourceSettings


def shown_settings(settings: Settings) -> Iterator[tuple[str, str]]:
    """The name of every setting, and its value in TOML; empty for one that is not set."""
    for name, value in settings:
        written = _tables_of(value) if name == "budgets" else value
        yield name, "" if written is None else toml_text(_plain(written))


def _plain(value: Any) -> Any:
    """The value as a reader of TOML would give it."""
    match _opened(value):
        case Mapping() as table:
            return {str(key): _plain(item) for key, item in table.items()}
        case list() | tuple() | frozenset() as items:
            plain = map(_plain, items)
            return sorted(plain) if isinstance(items, frozenset) else list(plain)
        case timedelta() as period:
            return _duration(period)
        case bool() | int() | float() | Decimal() as exact:
            return exact
        case text:
            return _masked(str(text))


def _opened(value: Any) -> Any:
    """A table of settings as a mapping; all else as it is."""
    match value:
        case NotifySettings():
            return _with_tables(value)
        case ChannelSettings():
            return _without_path(value)
        case SourceSettings() if value.git is None:
            return value.model_dump(exclude={"ref"}, exclude_none=True)
        case BaseModel():
            return value.model_dump(by_alias=True, exclude_none=True)
        case _:
            return value


def _duration(value: timedelta) -> str | float:
    """As durations are written; in seconds where no duration says it."""
    text = format_duration(value)
    try:
        is_exact = parse_duration(text) == value
    except ValueError:
        is_exact = False
    return text if is_exact else value.total_seconds()


def _tables_of(budgets: Mapping[str, BaseModel]) -> dict[str, Any]:
    """`[budgets]` with its tables, from the ledger's scopes."""
    amounts = {scope: table.model_dump(by_alias=True) for scope, table in budgets.items()}
    everybody = amounts.pop("server", {})
    written = {name: amount for name, amount in everybody.items() if amount is not None}
    return written | {scope.removeprefix("workspace/"): budgets[scope] for scope in amounts}


def _with_tables(notify: NotifySettings) -> dict[str, Any]:
    """`[notify]` with a table for each workspace, which may have the name of a setting."""
    return {**notify.model_dump(exclude={"workspaces"}), **notify.workspaces}


def _without_path(channel: ChannelSettings) -> dict[str, Any]:
    """Of a webhook no more than its host: the path may be a token."""
    written = channel.model_dump(exclude_none=True)
    url = parse_url(channel.webhook) if isinstance(channel.webhook, str) else None
    if url is not None:
        origin = f"{url.scheme}://{url.host}{f':{url.port}' if url.port else ''}"
        written["webhook"] = origin if channel.webhook == origin else f"{origin}/{MASK}"
    return written


def _masked(text: str) -> str:
    # What is masked ends at white space, and a password may hold some.
    joined = re.sub(r"\s", "%20", text)
    masked = mask(joined)
    return text if masked == joined else masked
