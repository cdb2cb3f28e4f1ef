"""The one place that wires everything, by hand: settings in, a running server out."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog
import uvicorn

from reconciler.clock import Clock, Ids, SystemClock
from reconciler.control.access.secrets import SecretStore
from reconciler.control.access.tokens import Tokens
from reconciler.control.apply.follow_source import SourceFollower
from reconciler.control.apply.reconcile import Applied
from reconciler.control.apply.source_files import SourceFiles
from reconciler.control.changes import watch_database
from reconciler.control.counting import counting
from reconciler.control.dispatching.context import RunnerContext, RunnerSettings
from reconciler.control.dispatching.runner import hand_back, renew_once, run_once
from reconciler.control.evaluation.evaluator import Evaluator
from reconciler.control.evaluation.titles import Titles
from reconciler.control.loops import JumpDetector, WorkSignal, repeat
from reconciler.control.prune import Retention, prune_once
from reconciler.control.runs.launch import Launcher
from reconciler.control.runs.tick import Ticker, tick_once
from reconciler.control.webhooks.intake import Intake
from reconciler.control.webhooks.writer_process import WriterProcess
from reconciler.core.access.token_hash import token_hash
from reconciler.core.base.errors import UsageError
from reconciler.core.webhooks.token import webhook_token
from reconciler.dispatch.registry import Runtimes
from reconciler.settings import Settings
from reconciler.store.engine.database import Database, Tx
from reconciler.store.runs.leases import release_all
from reconciler.store.servers import SILENCE, Server, beat, forget_silent, register, remove
from reconciler.store.webhooks.tokens import renew_tokens
from reconciler.telemetry import Metrics
from reconciler.web.app import create_app
from reconciler.web.http.context import Context, Readiness

log = structlog.get_logger(__name__)

LONGEST_SLEEP = 30.0
"""Seconds: the clock's loop never sleeps longer (contract 5)."""
RUNNER_PAUSE = 0.3
"""Seconds between two looks at runs in hand."""
RUNNER_IDLE = 5.0
"""Seconds between two looks when nothing is in hand."""
PRUNE_PAUSE = 600.0
"""Seconds between two rounds of retention."""
SHUTDOWN = 20.0
"""Seconds that requests and starts under way get to finish."""


@dataclass(slots=True)
class System:
    """Everything of one server process; made within its event loop.

    `key` is the server's key, `url` where it is reached.
    """

    settings: Settings
    database: Database
    key: bytes
    url: str
    clock: Clock = field(default_factory=SystemClock)
    follower: SourceFollower | None = None
    ids: Ids = field(default_factory=Ids)
    tick_signal: WorkSignal = field(default_factory=WorkSignal)
    run_signal: WorkSignal = field(default_factory=WorkSignal)
    source_signal: WorkSignal = field(default_factory=WorkSignal)
    evaluator: Evaluator = field(init=False)
    titles: Titles = field(init=False)
    secret_store: SecretStore = field(init=False)
    runner: RunnerContext = field(init=False)
    intake: Intake = field(init=False)
    jumps: JumpDetector = field(init=False)
    authority: Tokens | None = field(init=False)
    metrics: Metrics = field(default_factory=Metrics)
    waits_for: tuple[str, ...] = ("the first reconcile",)

    def __post_init__(self) -> None:
        settings = self.settings
        self.authority = Tokens(settings.tokens_file, self.clock) if settings.tokens_file else None
        self.evaluator = Evaluator()
        self.titles = Titles(self.evaluator)
        self.secret_store = SecretStore(settings.secrets_dir)
        self.jumps = JumpDetector(self.clock)
        self.database.observe = counting(self.metrics)
        self.runner = RunnerContext(
            self.database,
            Runtimes(
                self.clock,
                commands=settings.allow_command,
                allowed_urls=settings.allowed_runtime_urls,
                permission_modes=settings.allowed_permission_modes,
                notify=self.run_signal.notify,
            ),
            self.secret_store,
            owner=f"{socket.gethostname()[:20]}:{os.getpid()}:{self.ids.new(self.clock.now())[-12:]}",
            key=self.key,
            settings=RunnerSettings(
                settings.lease, settings.breaker_cooldown, settings.max_active_runs, self.url
            ),
            notify=self.run_signal.notify,
        )
        self.intake = Intake(
            self.database,
            self.secret_store,
            self.evaluator,
            self.titles,
            self.ids,
            self.clock,
            settings.breaker_cooldown,
            helper=WriterProcess(settings.database, settings.breaker_cooldown),
        )

    def context(self) -> Context:
        """What the web layer is given."""
        return Context(
            database=self.database,
            settings=self.settings,
            clock=self.clock,
            intake=self.intake,
            launcher=Launcher(self.database, self.titles, self.ids, self.settings.breaker_cooldown),
            server_key=self.key,
            base_url=self.url,
            authority=self.authority,
            readiness=self._readiness,
            followed=self._followed,
            files=self._files,
            notify=self.run_signal.notify,
            metrics=self.metrics,
        )

    def _readiness(self) -> Readiness:
        return Readiness(not self.waits_for, self.waits_for)

    def _followed(self) -> frozenset[str]:
        return frozenset({self.follower.source_id} if self.follower else ())

    def _files(self, source_id: str) -> SourceFiles | None:
        follower = self.follower
        return follower.files if follower and follower.source_id == source_id else None

    def notify(self) -> None:
        """Somebody wrote, or something happened: every loop looks."""
        self.tick_signal.notify()
        self.run_signal.notify()

    async def tick(self) -> float:
        """One round of the clock; answers the seconds until the next one is due."""
        if (jump := self.jumps.jumped()) is not None:
            log.warning("the clock jumped", seconds=jump.total_seconds())
            self.metrics.clock_jumps.inc()
        ticker = Ticker(self.database, self.titles, self.ids, self.settings.breaker_cooldown)
        with self.metrics.tick.time():
            ticked = await asyncio.to_thread(tick_once, ticker)
        for lag in ticked.lags:
            self.metrics.schedule_lag.observe(lag)
        if ticked.runs or ticked.promoted:
            self.run_signal.notify()
        if ticked.next_due is None:
            return LONGEST_SLEEP
        now = await self.runner.now()
        return min(LONGEST_SLEEP, max(0.0, (ticked.next_due - now).total_seconds()))

    async def run(self) -> float:
        """One round of the runner."""
        await run_once(self.runner)
        busy = self.runner.jobs or self.runner.tasks
        return RUNNER_PAUSE if busy else RUNNER_IDLE

    async def renew(self) -> float:
        """Prolong leases and the presence of this server, well before either runs out."""
        await renew_once(self.runner)
        await self.database.awrite(self._beat, quiet=True)
        return min(self.settings.lease, SILENCE / 2).total_seconds() / 3

    async def reconcile(self) -> float:
        """Look at the source that this server follows."""
        if self.follower is None:
            return LONGEST_SLEEP
        with self.metrics.reconcile.time():
            applied = await asyncio.to_thread(self.follower.reconcile_once)
        self.metrics.reconciles.labels(_result(applied)).inc()
        if applied is not None and applied.attempt is not None:
            self.notify()
        return self.settings.poll_interval.total_seconds()

    def reload(self) -> None:
        """Read secrets and tokens again (SIGHUP). A tokens file that is wrong changes nothing."""
        self.secret_store.reload()
        try:
            if self.authority is not None:
                self.authority.reload()
        except UsageError as error:
            log.error("tokens not reloaded", why=str(error))
        else:
            log.info("reloaded")

    async def prune(self) -> float:
        """Delete what is old enough."""
        settings = self.settings
        kept = Retention(
            settings.keep_runs,
            settings.keep_deliveries,
            settings.keep_bodies,
            settings.keep_revisions,
        )
        gone = await asyncio.to_thread(prune_once, self.database, kept)
        if gone:
            log.info("pruned", **gone)
        return PRUNE_PAUSE

    async def start(self) -> None:
        """Take over what an earlier process left, apply the source once, say that we are here."""
        await self.database.awrite(self._arrive)
        await self.reconcile()
        self.waits_for = ()

    def _beat(self, tx: Tx) -> None:
        if not beat(tx, self.runner.owner, self.database.now(tx)):
            self._arrive(tx)

    def _arrive(self, tx: Tx) -> None:
        now = self.database.now(tx)
        if self.database.name == "sqlite":
            # The serve lock says that we are alone: whoever holds a lease is dead.
            release_all(tx)
        if renewed := renew_tokens(tx, token_hasher(self.key)):
            log.warning("webhook URLs follow the server's key again", triggers=renewed)
        forget_silent(tx, now, SILENCE)
        register(
            tx,
            Server(self.runner.owner, socket.gethostname(), os.getpid(), self.url, now, now),
        )

    async def stop(self) -> None:
        """Take nothing more, finish what is short, hand leases back."""
        await self.intake.close()
        handed_back = await hand_back(self.runner)
        await self.runner.runtimes.close()
        await self.database.awrite(lambda tx: remove(tx, self.runner.owner))
        self.evaluator.close()
        log.info("stopped", handed_back=handed_back)


def _result(applied: Applied | None) -> str:
    """The label of a look at a source."""
    if applied is None:
        return "failed"
    return "unchanged" if applied.attempt is None else "applied"


def token_hasher(key: bytes) -> Callable[[str, int], str]:
    """How the database knows webhook tokens: by their SHA-256."""
    return lambda id_, generation: token_hash(webhook_token(key, id_, generation))


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: it would end the process before we handed back."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `serve`."""
        yield

    def leave(self) -> None:
        """Finish open requests, then return from `serve`."""
        self.should_exit = True


async def serve(
    system: System,
    listener: socket.socket,
    *,
    watch: Callable[[Callable[[], None]], Coroutine[None, None, None]] | None = None,
    announce: Callable[[], None] = lambda: None,
    asked: Callable[[], bool] = lambda: False,
) -> None:
    """Serve until SIGTERM or SIGINT; one that comes during the start ends the server after it.

    `announce` is called once everything is up. `asked` says whether such a signal had come before.
    """
    context = system.context()
    server = _Server(_config(context))

    def leave() -> None:
        system.waits_for = ("another server: this one shuts down",)
        context.hub.close()
        server.leave()

    _hear(leave, system.reload)
    if asked():
        leave()
    else:
        await system.start()
    loops: list[asyncio.Task[None]] = []
    try:
        if not server.should_exit:
            loops = _loops(system, watch)
            announce()
            await server.serve(sockets=[listener])
    finally:
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
        await system.stop()


def _config(context: Context) -> uvicorn.Config:
    return uvicorn.Config(
        create_app(context),
        access_log=False,
        server_header=False,
        proxy_headers=False,
        log_config=None,
        lifespan="off",
        timeout_graceful_shutdown=int(SHUTDOWN),
        timeout_keep_alive=30,
        http="h11",  # httptools would take headers of any size
        h11_max_incomplete_event_size=64 * 1024,
    )


def _hear(leave: Callable[[], None], reload: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, leave)
    loop.add_signal_handler(signal.SIGHUP, reload)


def _loops(
    system: System, watch: Callable[[Callable[[], None]], Coroutine[None, None, None]] | None
) -> list[asyncio.Task[None]]:
    loops = [
        asyncio.create_task(repeat("tick", system.tick, system.tick_signal)),
        asyncio.create_task(repeat("run", system.run, system.run_signal)),
        asyncio.create_task(repeat("renew", system.renew, WorkSignal())),
        asyncio.create_task(repeat("reconcile", system.reconcile, system.source_signal)),
        asyncio.create_task(repeat("prune", system.prune, WorkSignal())),
        asyncio.create_task(watch_database(system.database, system.notify)),
    ]
    if watch is not None:
        loops.append(asyncio.create_task(watch(system.source_signal.notify)))
    return loops


def listen(host: str, port: int) -> socket.socket:
    """Bind before anything else is started, so that a port in use is said at once."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(2048)
    listener.setblocking(False)
    return listener
