"""What `pause` and `resume` do to the autopilots that they name."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciler.cli.backend.open import runs_of
from reconciler.cli.backend.run_state import Document
from reconciler.cli.console import note_done, out, out_json
from reconciler.cli.options import ListFormat
from reconciler.core.base.errors import UsageError
from reconciler.core.base.safe_text import escaped
from reconciler.core.manifest.model import AutopilotStatus
from reconciler.settings import Settings


@dataclass(frozen=True, slots=True)
class Place:
    """Where the state is, as the command line says."""

    config: Path | None
    server: str | None
    database: str | None
    token_file: Path | None

    def settings(self) -> Settings:
        """The settings of the command. Raises UsageError."""
        return Settings.load_for_state(
            self.config, server=self.server, database=self.database, token_file=self.token_file
        )


def pause_by_hand(
    name: str | None, reason: str | None, output: ListFormat, *, everything: bool, place: Place
) -> None:
    """Pause one autopilot or all, and show them."""
    settings = place.settings()
    _require_one(name, everything=everything)
    with runs_of(settings) as state:
        _show(state.pause(name, reason), output)


def resume_by_hand(name: str | None, output: ListFormat, *, everything: bool, place: Place) -> None:
    """Resume one autopilot or all, and show them."""
    settings = place.settings()
    _require_one(name, everything=everything)
    with runs_of(settings) as state:
        _show(state.resume(name), output)


def _require_one(name: str | None, *, everything: bool) -> None:
    if (name is None) != everything:
        raise UsageError("name an autopilot: NAME, or --all")


def _show(autopilots: Sequence[Document], output: ListFormat) -> None:
    note_done("it was done")
    ordered = sorted(autopilots, key=lambda row: (row["workspace"], row["name"]))
    if output is ListFormat.JSON:
        out_json(ordered)
        return
    for row in ordered:
        out(escaped(f"{row['workspace']}/{row['name']}: {_state(row)}"))


def _state(row: Document) -> str:
    if row["pausedAt"] is not None:
        since = f"paused since {row['pausedAt']} by {row['pausedBy']}"
        return f"{since}: {row['pauseReason']}" if row["pauseReason"] else since
    if row["status"] != AutopilotStatus.ACTIVE:
        return f"still {row['status']}, as its manifest says"
    return "takes work"
