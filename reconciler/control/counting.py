"""From what happened in the database to the metrics that count it."""

from collections.abc import Callable

from reconciler.store.engine.facts import Fact, RunEnded, RunStarted, RunUsed
from reconciler.telemetry import Metrics


def counting(metrics: Metrics) -> Callable[[Fact], None]:
    """What `Database.observe` is set to. Called from several threads; the metrics allow it."""

    def observe(fact: Fact) -> None:
        match fact:
            case RunEnded(status, source, reason, runs):
                why = reason.value if reason else ""
                metrics.runs.labels(status.value, source.value, why).inc(runs)
            case RunUsed(usage):
                metrics.used(usage)
            case RunStarted(seconds):
                metrics.dispatch.observe(max(0.0, seconds))

    return observe
