"""What a program says while it works, of what it has used and of what it waits for.

Read in pieces, every line once.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from reconciler.core.runs.usage import Usage
from reconciler.dispatch.base import Working
from reconciler.dispatch.command.supervisor import OUTPUT
from reconciler.dispatch.command.written import read_lines

METER_SECONDS = 5.0
"""Between two readings of what a program says."""

Trouble = Callable[[str], str | None]
"""Makes a sentence of a line of stderr that tells why the work does not go on; None of others."""


class Meter(Protocol):
    """Makes a usage of what a program writes on one of the streams that its supervisor keeps."""

    @property
    def stream(self) -> str:
        """The name of the stream's file."""
        ...

    @property
    def used(self) -> Usage | None:
        """What was used until now, in all; None while nothing was told."""
        ...

    def take(self, lines: bytes) -> None:
        """Take in the whole lines that follow those before."""
        ...


@dataclass(slots=True)
class Watched:
    """How far one program was read. Another server begins at what is kept of its streams.

    `trouble` is for programs whose meter reads another stream than stderr: what is said there means
    that the work goes on.
    """

    meter: Meter | None
    trouble: Trouble | None = None
    detail: str = ""
    again_at: float = 0.0
    positions: dict[str, int] = field(default_factory=dict)

    def used(self, folder: Path | None) -> Usage | None:
        """Read what was written since the last time; return what was used until now."""
        if self.meter is None:
            return None
        lines = self._lines(folder, self.meter.stream)
        self.meter.take(lines)
        if lines:
            self.detail = ""
        return self.meter.used

    def working(self, folder: Path | None, *, tells_usage: bool) -> Working:
        """Read again, `METER_SECONDS` after the last time; return what is known of the work."""
        now = time.monotonic()
        if now < self.again_at:
            return Working(self.detail)
        self.again_at = now + METER_SECONDS
        if self.trouble is not None:
            self.detail = self._told(self.trouble, folder) or self.detail
        used = self.used(folder)
        return Working(self.detail, used if tells_usage else None)

    def _told(self, trouble: Trouble, folder: Path | None) -> str | None:
        """The last line of trouble among the new ones."""
        lines = self._lines(folder, OUTPUT).decode("utf-8", "replace").splitlines()
        return next((told for line in reversed(lines) if (told := trouble(line))), None)

    def _lines(self, folder: Path | None, stream: str) -> bytes:
        if folder is None:
            return b""
        lines, self.positions[stream] = read_lines(folder, stream, self.positions.get(stream, 0))
        return lines
