"""The dependencies of the web layer: what it reads from, and what it writes through."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from reconciler.clock import Clock
from reconciler.control.access.secrets import SecretStore
from reconciler.control.apply.follow_source import Position
from reconciler.control.apply.source_files import SourceFiles
from reconciler.control.apply.write_back import SourceWriter
from reconciler.control.dispatching.hints import HintRelay
from reconciler.control.evaluation.expectations import Expectations
from reconciler.control.notify.channel import Channel
from reconciler.control.runs.launch import Launcher
from reconciler.control.webhooks.inbound import Answer, InboundRequest
from reconciler.control.webhooks.limiter import BadCredentials
from reconciler.core.access.client_address import Network, networks_of
from reconciler.core.access.roles import LOCAL, Caller
from reconciler.core.runs.run import Run
from reconciler.dispatch.base import Elsewhere, Written
from reconciler.settings import Settings
from reconciler.store.engine.database import Database
from reconciler.telemetry import Metrics
from reconciler.web.hub import Hub

PLANS_AT_ONCE = 2
"""Sets of manifests that were sent and are read at once; whoever comes later waits."""
TRIALS_AT_ONCE = 2
"""Channels that are tried at once: each may be a process of its own that hangs for a while."""


class Receiver(Protocol):
    """Takes webhook requests (control/webhooks/intake.py)."""

    async def receive(self, request: InboundRequest) -> Answer:
        """Answer one request; never raises for what a sender can do."""
        ...


class Authority(Protocol):
    """Knows the credentials (control/access/tokens.py); None where there is no tokens file."""

    async def identify(self, credential: str) -> Caller | None:
        """Whose credential this is; None for one that is unknown, revoked or expired."""
        ...

    def session_key_of(self, credential: str) -> str | None:
        """What a dashboard session keeps of a static token; None for anything else."""
        ...

    def resume(self, session_key: str) -> Caller | None:
        """Whose session this is; None once its token was removed or has expired."""
        ...


def _no_files(_source_id: str) -> SourceFiles | None:
    """This server follows nothing."""
    return None


def _no_writer(_source_id: str) -> SourceWriter | None:
    """Manifests are not written by this server."""
    return None


def _follows_nothing(_source_id: str | None) -> tuple[str, ...]:
    """This server follows nothing."""
    return ()


def _no_runner() -> None:
    """There is no runner in this process."""


def _not_followed(_run_id: str) -> bool:
    """There is no runner in this process."""
    return False


async def _no_output(_run: Run, _after: str | None) -> None:
    """There is no runner in this process."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the server should get traffic, and what it still waits for."""

    ready: bool = True
    waiting_for: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Everything that a request may need.

    `secret_store` is what webhooks are verified with: health says which of them cannot be.
    `base_url` is what webhook URLs begin with; `server_key` derives them and signs sessions.
    `followed` says how the following of each source goes that this server itself follows, by its
    name; `files` gives their files, `writer` what writes into them where `write_policy` allows it.
    `poll` has one of them, or all, read now, and returns their names; `notify` tells the runner
    that a slot became free: both are called from the event loop. `hint` has what became of a run
    asked for soon, and returns whether this process follows it; `relay` passes it on to the one
    that does. `channels` are those of
    notifications, by name. `bad_signatures` counts those of `POST /v1/reconcile`. `output` tells
    what the agent of a run has written after a position (control/dispatching/output.py).
    """

    database: Database
    settings: Settings
    clock: Clock
    intake: Receiver
    secret_store: SecretStore
    launcher: Launcher
    server_key: bytes
    base_url: str
    authority: Authority | None = None
    readiness: Callable[[], Readiness] = field(default=Readiness)
    followed: Callable[[], Mapping[str, Position]] = field(default=dict)
    files: Callable[[str], SourceFiles | None] = field(default=_no_files)
    writer: Callable[[str], SourceWriter | None] = field(default=_no_writer)
    poll: Callable[[str | None], tuple[str, ...]] = _follows_nothing
    notify: Callable[[], None] = _no_runner
    hint: Callable[[str], bool] = _not_followed
    output: Callable[[Run, str | None], Awaitable[Written | Elsewhere | None]] = _no_output
    metrics: Metrics = field(default_factory=Metrics)
    channels: Mapping[str, Channel] = field(default_factory=dict)
    bad_signatures: BadCredentials = field(default_factory=BadCredentials)
    plans: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PLANS_AT_ONCE))
    trials: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(TRIALS_AT_ONCE))
    expectations: Expectations = field(init=False)
    hub: Hub = field(init=False)
    relay: HintRelay = field(init=False)
    proxies: tuple[Network, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "proxies", networks_of(self.settings.trusted_proxies))
        evaluator = self.launcher.titles.evaluator
        object.__setattr__(self, "expectations", Expectations(evaluator))
        object.__setattr__(self, "hub", Hub(self.database, self.clock))
        object.__setattr__(self, "relay", HintRelay(self.database))

    @property
    def anybody(self) -> Caller | None:
        """Who an unnamed caller is: everybody without a tokens file, else nobody."""
        return LOCAL if self.authority is None else None
