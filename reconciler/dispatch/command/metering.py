"""What a program has used until now, read while it works: every line once, in pieces."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from reconciler.core.runs.usage import Usage
from reconciler.dispatch.command.written import read_lines

METER_SECONDS = 5.0
"""Between two readings of what a program has used until now."""


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
class Metered:
    """How far one program was read. Another server begins at what is kept of the stream."""

    meter: Meter
    position: int = 0
    again_at: float = 0.0

    def read(self, folder: Path | None) -> Usage | None:
        """Read what was written since the last time; return what was used until now."""
        if folder is not None:
            lines, self.position = read_lines(folder, self.meter.stream, self.position)
            self.meter.take(lines)
        return self.meter.used

    def read_at_times(self, folder: Path | None) -> Usage | None:
        """The same, `METER_SECONDS` after the last time; None before."""
        now = time.monotonic()
        if now < self.again_at:
            return None
        self.again_at = now + METER_SECONDS
        return self.read(folder)
