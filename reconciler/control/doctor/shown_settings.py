"""The settings in force as texts, as they would be written; what may hold a password is masked."""

import re
from collections.abc import Iterator
from datetime import timedelta

from reconciler.core.base.masking import mask
from reconciler.core.base.units import format_duration
from reconciler.notify_settings import NotifySettings
from reconciler.settings import Choices, Settings


def shown_settings(settings: Settings) -> Iterator[tuple[str, str]]:
    """The name and the value of every setting."""
    for name, value in settings:
        yield name, _shown(value)


def _shown(value: object) -> str:
    match value:
        case timedelta():
            return format_duration(value)
        case dict():
            return ", ".join(f"{name}={path}" for name, path in value.items())
        case tuple():
            return ", ".join(mask(re.sub(r"\s", "%20", str(item))) for item in value)
        case Choices() | NotifySettings():
            return str(value)
        case None:
            return ""
        case _:
            return mask(re.sub(r"\s", "%20", str(value)))
