"""The first page: every autopilot with its triggers, its last run, its next one and its health."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from starlette.responses import Response

from reconciler.control.access.secrets import SecretStore
from reconciler.core.runs.condition import Condition, Health
from reconciler.core.runs.standing import Standing, standing_of
from reconciler.store.engine.database import Tx
from reconciler.store.objects.overview import Overview
from reconciler.web.api.autopilots import AutopilotQuery, find_page
from reconciler.web.http.parameters import read_query
from reconciler.web.models.autopilot import condition_at, next_run_of, no_next_run
from reconciler.web.models.source import SourceView, source_views
from reconciler.web.pages.serving import Visit


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    overview: Overview
    condition: Condition
    next_run_at: datetime | None
    no_next_run: str


@dataclass(frozen=True, slots=True)
class Listing:
    """What the page shows; `following` is the address of the next page."""

    rows: list[Row]
    following: str | None
    sources: list[SourceView]
    filtered: bool


async def overview(visit: Visit) -> Response:
    """The list of autopilots."""
    query = read_query(visit.request, AutopilotQuery, from_form=True)
    now = visit.context.clock.now()
    listing = await visit.context.database.aread(lambda tx: _read(tx, query, visit, now))
    return visit.page("overview.html", listing=listing, query=query, healths=list(Health))


def _read(tx: Tx, query: AutopilotQuery, visit: Visit, now: datetime) -> Listing:
    secrets, cooldown = visit.context.secret_store, visit.context.settings.breaker_cooldown
    rows, cursor = find_page(tx, query, visit.caller, now, secrets)
    filters = query.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return Listing(
        rows=[_row(row, standing_of(row.switches, cooldown, now), now, secrets) for row in rows],
        following=f"/?{urlencode({**filters, 'cursor': cursor}, doseq=True)}" if cursor else None,
        sources=source_views(tx, visit.caller, visit.context.followed()),
        filtered=bool(filters),
    )


def _row(overview: Overview, standing: Standing, now: datetime, secrets: SecretStore) -> Row:
    return Row(
        overview=overview,
        condition=condition_at(overview, now, secrets),
        next_run_at=next_run_of(overview, standing),
        no_next_run=no_next_run(overview, standing),
    )
