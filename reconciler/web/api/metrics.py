"""`/metrics`: what is counted as it happens, and what is counted when somebody asks."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from reconciler.core.access.roles import Role
from reconciler.store.gauges import Gauges, read_gauges
from reconciler.telemetry import METRICS_TYPE, Metrics
from reconciler.web.http.auth import admit, caller_of
from reconciler.web.http.context import Context


def route(context: Context) -> Route:
    """The address that Prometheus reads."""

    async def metrics(request: Request) -> Response:
        if context.settings.metrics_access == "viewer":
            admit(await caller_of(request, context), Role.VIEWER)
        database = context.database
        gauges = await database.aread(lambda tx: read_gauges(tx, database.now(tx)))
        _set(context.metrics, gauges)
        headers = {"Cache-Control": "no-store"}
        return Response(context.metrics.text(), headers=headers, media_type=METRICS_TYPE)

    return Route("/metrics", metrics, methods=["GET"])


def _set(metrics: Metrics, gauges: Gauges) -> None:
    metrics.due_triggers.set(gauges.due_triggers)
    metrics.queue_depth.set(gauges.queue_depth)
    for waiting_for, runs in gauges.runs_waiting.items():
        metrics.runs_waiting.labels(waiting_for.value).set(runs)
    metrics.breaker_open.set(gauges.breakers_open)
    metrics.notifications_pending.clear()
    for channel, pending in gauges.notifications.items():
        metrics.notifications_pending.labels(channel).set(pending)
    metrics.applied_revision.clear()
    for source, revision in gauges.applied.items():
        metrics.applied_revision.labels(source, revision).set(1)
