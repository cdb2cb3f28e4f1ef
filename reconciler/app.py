"""The one place that wires a server, by hand: settings in, its parts out."""

import os
import socket
from collections.abc import Mapping, Sequence

from reconciler.clock import Clock, Ids, SystemClock
from reconciler.control.access.secrets import SecretStore
from reconciler.control.access.tokens import Tokens
from reconciler.control.counting import counting
from reconciler.control.dispatching.context import RunnerContext, RunnerSettings
from reconciler.control.dispatching.output import Outputs
from reconciler.control.evaluation.evaluator import Evaluator
from reconciler.control.evaluation.expectations import Expectations
from reconciler.control.evaluation.titles import Titles
from reconciler.control.notify.channels import channels_of
from reconciler.control.notify.sender import Sender
from reconciler.control.runs.launch import Launcher
from reconciler.control.runs.tick import Ticker
from reconciler.control.webhooks.intake import Intake
from reconciler.control.webhooks.writer_process import WriterProcess
from reconciler.dispatch.registry import Runtimes
from reconciler.server.clock_check import ClockCheck
from reconciler.server.followed import FollowedSource, FollowedSources
from reconciler.server.health import DatabaseHealth
from reconciler.server.readiness import ServerState
from reconciler.server.signals import Signals
from reconciler.server.system import System
from reconciler.settings import Settings
from reconciler.store.engine.database import Database
from reconciler.store.notify.outbox import using
from reconciler.telemetry import Metrics
from reconciler.web.http.context import Context


def build_system(
    settings: Settings,
    database: Database,
    key: bytes,
    url: str,
    sources: Sequence[FollowedSource] = (),
    environment: Mapping[str, str] | None = None,
) -> System:
    """Wire everything of one server process; within its event loop.

    `key` is the server's key, `url` where it is reached, `sources` what it follows,
    `environment` where `{env: NAME}` references are found; by default that of the process.
    """
    clock, ids, cooldown = SystemClock(), Ids(), settings.breaker_cooldown
    metrics, signals, state = Metrics(), Signals(), ServerState(database)
    database.observe = counting(metrics)
    database.prepare = using(settings.notify.defaults)
    followed = FollowedSources(sources)
    evaluator, secret_store = Evaluator(), SecretStore(settings.secrets_dir, environment)
    titles = Titles(evaluator)
    authority = Tokens(settings.tokens_file, clock) if settings.tokens_file else None
    runner = RunnerContext(
        database,
        _runtimes(settings, clock, signals, evaluator),
        secret_store,
        owner=_owner(clock, ids),
        key=key,
        settings=RunnerSettings(
            settings.lease, cooldown, settings.max_active_runs, url, settings.price_table
        ),
        notify=signals.run.notify,
        expectations=Expectations(evaluator),
    )
    intake = Intake(
        database,
        secret_store,
        evaluator,
        titles,
        ids,
        clock,
        cooldown,
        helper=WriterProcess(settings.database, cooldown, defaults=settings.notify.defaults),
    )
    channels = channels_of(settings.channels, os.environ if environment is None else environment)
    context = Context(
        database=database,
        settings=settings,
        clock=clock,
        intake=intake,
        secret_store=secret_store,
        launcher=Launcher(database, titles, ids, cooldown),
        server_key=key,
        base_url=url,
        authority=authority,
        readiness=state.readiness,
        followed=followed.positions,
        files=followed.files,
        writer=followed.writer,
        poll=followed.poll,
        notify=signals.run.notify,
        hint=runner.runtimes.hint,
        output=Outputs(runner).read,
        metrics=metrics,
        channels=channels,
    )
    sender = Sender(
        database,
        channels,
        runner.owner,
        url,
        settings.notify.timeout,
        observe=lambda channel, result: metrics.notifications.labels(channel, result).inc(),
        notify=signals.send.notify,
    )
    return System(
        settings=settings,
        database=database,
        key=key,
        url=url,
        state=state,
        health=DatabaseHealth(database),
        signals=signals,
        metrics=metrics,
        clock_check=ClockCheck(database, clock, runner.owner, metrics),
        sources=followed,
        authority=authority,
        secret_store=secret_store,
        evaluator=evaluator,
        ticker=Ticker(database, titles, ids, cooldown),
        runner=runner,
        sender=sender,
        intake=intake,
        context=context,
    )


def _runtimes(settings: Settings, clock: Clock, signals: Signals, evaluator: Evaluator) -> Runtimes:
    return Runtimes(
        clock,
        commands=settings.programs,
        grants=settings.grants,
        runs_dir=settings.runs_dir,
        aegis=settings.aegis.grant,
        own_port=settings.port,
        allowed_urls=settings.allowed_runtime_urls,
        permission_modes=settings.allowed_permission_modes,
        notify=signals.run.notify,
        evaluate=evaluator.values,
    )


def _owner(clock: Clock, ids: Ids) -> str:
    """A name of this process for leases, never used again."""
    return f"{socket.gethostname()[:20]}:{os.getpid()}:{ids.new(clock.now())[-12:]}"
