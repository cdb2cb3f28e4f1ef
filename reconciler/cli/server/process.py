"""What `reconciler serve` runs: settings in, a process that serves until it is told to stop."""

import asyncio
import socket
import sys
import tomllib
from collections.abc import Mapping
from contextlib import ExitStack

import uvloop

from reconciler.app import build_system
from reconciler.cli.console import out, say
from reconciler.cli.server.banner import banner
from reconciler.cli.server.sources import follow, places_of
from reconciler.collector import spare_what_lives
from reconciler.control.access.environment import take_secrets
from reconciler.control.access.keys import server_key
from reconciler.control.doctor.shown_settings import shown_settings
from reconciler.control.shared_settings import share_settings
from reconciler.core.base.errors import UsageError
from reconciler.core.manifest.reach import is_loopback
from reconciler.server.http_server import listen
from reconciler.server.lifecycle import serve as serve_system
from reconciler.server.stopping import StopRequest, stoppable
from reconciler.settings import Settings
from reconciler.store.engine.database import Database
from reconciler.telemetry import configure_logging

CLOSE_SECONDS = 1.5
"""For the database's connections, at the end."""


def run(settings: Settings, path: str | None) -> None:
    """Serve until SIGTERM or SIGINT, following the folder `path` or what the settings name."""
    configure_logging(settings.log_format, settings.log_level)
    environment = take_secrets()
    with stoppable() as stop_request:
        _run(settings, path, environment, stop_request)


def _run(
    settings: Settings,
    path: str | None,
    environment: Mapping[str, str],
    stop_request: StopRequest,
) -> None:
    """Open in an order in which each failure is said before anything is touched."""
    places = places_of(settings, path)
    _require_guarded(settings)
    with ExitStack() as stack:
        listener = stack.enter_context(_listen(settings))
        settings = settings.model_copy(update={"port": listener.getsockname()[1]})
        url = settings.base_url()
        state = Database.open(settings.database)
        stack.callback(state.close, within=CLOSE_SECONDS)
        stack.enter_context(state.serve_lock(url))
        state.migrate()
        share_settings(state, settings.timezone, settings.budgets)
        key = server_key(settings.key_file, settings.secrets_dir)
        spare_what_lives()

        async def main() -> None:
            sources = [follow(settings, state, key, name, place) for name, place in places.items()]
            system = build_system(settings, state, key, url, sources, environment)
            shown_key = _shown_key(settings, key)

            async def announce() -> None:
                cooldown = settings.breaker_cooldown
                say(await asyncio.to_thread(banner, state, shown_key, url, cooldown))

            await serve_system(system, listener, stop_request, announce=announce)

        # Raised between two steps of the loop, a stop would leave it open, and what runs in it.
        stop_request.hold()
        # Not asyncio.run: it waits for every thread, and one may be waiting for a file for ever.
        loop = uvloop.new_event_loop()
        loop.run_until_complete(main())


def _require_guarded(settings: Settings) -> None:
    """Without tokens everybody who reaches the server is an admin: loopback only."""
    if settings.tokens_file is None and not is_loopback(settings.host):
        raise UsageError(
            f"without API tokens the server listens on loopback only, not on {settings.host}; make "
            "one with `reconciler token new` and name its file with the setting tokens_file"
        )


def _shown_key(settings: Settings, key: bytes) -> bytes | None:
    """The key for the banner's webhook URL: people at a terminal see one, no log does."""
    return None if settings.tokens_file or not sys.stderr.isatty() else key


def _listen(settings: Settings) -> socket.socket:
    try:
        return listen(settings.host, settings.port)
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        raise UsageError(f"cannot listen on {where}: {error.strerror}") from None


def show_settings(settings: Settings) -> None:
    """Print a settings file that says what is in force; what may hold a password is masked."""
    for name, value in shown_settings(settings):
        out(_line(name, value) if value else f"# {name} is not set")


def _line(name: str, value: str) -> str:
    """A line of a settings file; a comment where no such file can hold the value."""
    line = f"{name} = {value}"
    try:
        tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return f"# {line} is not UTF-8, and no settings file can hold that"
    return line
