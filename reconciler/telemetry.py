"""Logs without tokens and secrets, and metrics (docs/operating.md#metrics)."""

import logging
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from reconciler.core.base.masking import MASK, mask
from reconciler.core.base.money import as_number
from reconciler.core.runs.usage import Usage

_SECRET_NAMES = frozenset(
    {"authorization", "cookie", "password", "secret", "secrets", "signature", "token"}
)
_DEEPEST = 6

_without_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
_SHARED = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    # As plain text, before anything is hidden: the richer forms print the values of variables.
    structlog.processors.format_exc_info,
)


def configure_logging(log_format: str, level: str) -> None:
    """Write logs to stderr: `json`, `text`, or `auto` (text where stderr is a terminal).

    What libraries log goes the same way, from `warning` on.
    """
    renderer = _renderer(log_format)
    structlog.configure(
        processors=[*_SHARED, redact, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=_to_stderr,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(_Stderr())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_SHARED, structlog.stdlib.add_logger_name],
            processors=[_without_meta, redact, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def _renderer(log_format: str) -> Any:
    if log_format == "text" or (log_format == "auto" and sys.stderr.isatty()):
        return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    return structlog.processors.JSONRenderer()


class _Stderr:
    """Whatever stderr is at the moment of a line: it may be another one than at the start."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def _to_stderr(*_arguments: Any) -> structlog.WriteLogger:
    return structlog.WriteLogger(sys.stderr)


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Take tokens, passwords and what is named as a secret out of a log line, however deep."""
    for name, value in event.items():
        event[name] = MASK if name.lower() in _SECRET_NAMES else _redacted(value)
    return event


def _redacted(value: Any, depth: int = 0) -> Any:
    if depth > _DEEPEST:
        return MASK
    match value:
        case str():
            return mask(value)
        case bytes():
            return mask(value.decode("utf-8", "replace"))
        case Mapping():
            return {
                str(k): MASK if str(k).lower() in _SECRET_NAMES else _redacted(v, depth + 1)
                for k, v in value.items()
            }
        case Sequence():
            return [_redacted(item, depth + 1) for item in value]
        case BaseException():
            return mask(str(value))
        case _:
            return value


MOST_MODELS = 50
"""Models that metrics tell apart."""
disable_created_metrics()  # type: ignore[no-untyped-call]
_QUICK = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SLOW = (0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600)


@dataclass(slots=True)
class Metrics:
    """The metrics of one server, in a registry of its own; docs/operating.md#metrics lists them."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    runs: Counter = field(init=False)
    schedule_lag: Histogram = field(init=False)
    due_triggers: Gauge = field(init=False)
    tick: Histogram = field(init=False)
    webhook_requests: Counter = field(init=False)
    webhook: Histogram = field(init=False)
    queue_depth: Gauge = field(init=False)
    runs_waiting: Gauge = field(init=False)
    dispatch: Histogram = field(init=False)
    reconciles: Counter = field(init=False)
    reconcile: Histogram = field(init=False)
    applied_revision: Gauge = field(init=False)
    breaker_open: Gauge = field(init=False)
    clock_jumps: Counter = field(init=False)
    tokens: Counter = field(init=False)
    cost: Counter = field(init=False)
    _models: set[str] = field(default_factory=set)
    notifications: Counter = field(init=False)
    notifications_pending: Gauge = field(init=False)

    def __post_init__(self) -> None:
        ProcessCollector(registry=self.registry)
        self.runs = self._counter("runs_total", "Runs that ended.", "status", "source", "reason")
        self.schedule_lag = self._histogram(
            "schedule_lag_seconds", "From the moment an occurrence was due to its run.", _SLOW
        )
        self.due_triggers = self._gauge("due_triggers", "Triggers that are due now.")
        self.tick = self._histogram("tick_seconds", "One round of the clock.", _QUICK)
        self.webhook_requests = self._counter(
            "webhook_requests_total", "Webhook requests by the answer's status.", "status"
        )
        self.webhook = self._histogram(
            "webhook_seconds", "From a webhook request to its answer.", _QUICK
        )
        self.queue_depth = self._gauge("queue_depth", "Runs that wait for admission.")
        self.runs_waiting = self._gauge(
            "runs_waiting", "Runs by what they wait for, admitted or not.", "waiting_for"
        )
        self.dispatch = self._histogram(
            "dispatch_seconds", "From admission to the start of the work.", _SLOW
        )
        self.reconciles = self._counter("reconcile_total", "Reconciliations of a source.", "result")
        self.reconcile = self._histogram(
            "reconcile_seconds", "One reconciliation of a source.", _SLOW
        )
        self.applied_revision = self._gauge(
            "applied_revision_info", "Always 1: which revision is in force.", "source", "revision"
        )
        self.breaker_open = self._gauge("breaker_open", "Autopilots whose breaker is open.")
        self.notifications = self._counter(
            "notifications_total", "Attempts to send by how they ended.", "channel", "result"
        )
        self.notifications_pending = self._gauge(
            "notifications_pending", "Notifications that wait to be sent.", "channel"
        )
        self.clock_jumps = self._counter(
            "clock_jumps_total", "Jumps of the wall clock against the monotonic one."
        )

        model = "gen_ai_request_model"
        self.tokens = self._counter(
            "gen_ai_usage_tokens_total", "Tokens of runs that ended.", model, "gen_ai_token_type"
        )
        self.cost = self._counter(
            "gen_ai_usage_cost_usd_total", "US dollars that runs that ended cost.", model
        )

    def used(self, usage: Usage) -> None:
        """Count what a run used. `input` tokens are those that came from no cache."""
        model = self._known(usage.model or "unknown")
        fresh = None
        if usage.input_tokens is not None:
            fresh = max(0, usage.input_tokens - (usage.cached_tokens or 0))
        tokens = {"input": fresh, "cached": usage.cached_tokens, "output": usage.output_tokens}
        for kind, count in tokens.items():
            if count is not None:
                self.tokens.labels(model, kind).inc(count)
        if usage.cost_micros is not None:
            self.cost.labels(model).inc(as_number(usage.cost_micros))

    def _known(self, model: str) -> str:
        """A bounded number of labels, whatever agents say that they are."""
        if model not in self._models and len(self._models) >= MOST_MODELS:
            return "other"
        self._models.add(model)
        return model

    def text(self) -> bytes:
        """What Prometheus reads."""
        return generate_latest(self.registry)

    def _counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(f"reconciler_{name}", about, labels, registry=self.registry)

    def _gauge(self, name: str, about: str, *labels: str) -> Gauge:
        return Gauge(f"reconciler_{name}", about, labels, registry=self.registry)

    def _histogram(self, name: str, about: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(f"reconciler_{name}", about, buckets=buckets, registry=self.registry)


METRICS_TYPE = CONTENT_TYPE_LATEST
"""The media type of `Metrics.text`."""
