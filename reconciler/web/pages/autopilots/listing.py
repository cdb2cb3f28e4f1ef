"""The first page: every autopilot, what is wrong first, with its runs and its health."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated
from urllib.parse import urlencode

from pydantic import Field
from starlette.responses import Response

from reconciler.clock import Clock
from reconciler.collector import collecting_rarely
from reconciler.core.runs.condition import NEEDS_ATTENTION, Condition, Health
from reconciler.core.runs.run import Run
from reconciler.core.runs.standing import standing_of
from reconciler.store.engine.database import Tx
from reconciler.store.objects.overview import Overview, read_overviews
from reconciler.store.objects.roster import read_roster
from reconciler.store.runs.newest import newest_runs
from reconciler.store.runs.usage import UsageSum, usage_of
from reconciler.store.runs.waiting import unstarted_since
from reconciler.web.api.autopilots import AutopilotQuery, autopilot_filter
from reconciler.web.http.parameters import read_query
from reconciler.web.models.autopilot import condition_at, next_run_of, no_next_run
from reconciler.web.models.source import SourceView, source_views
from reconciler.web.pages.autopilots.moment import Moment
from reconciler.web.pages.autopilots.order import Judged, Sort, counted, in_order, judge
from reconciler.web.pages.autopilots.ticks import SHOWN, Ticks, ticks_of
from reconciler.web.pages.autopilots.trouble import Trouble, trouble_of
from reconciler.web.pages.brief_cache import BriefCache
from reconciler.web.pages.pickers import pickers_for
from reconciler.web.pages.serving import View, Visit

USAGE_OF = timedelta(days=7)
"""How far back the cost of the list reaches."""


PATIENCE = timedelta(minutes=5)
"""How long a run may wait before the list says so."""


class ListQuery(AutopilotQuery):
    """The filters of the API, and how the page is sorted and turned."""

    sort: Sort = Sort.WORST
    """What comes first."""
    page: Annotated[int, Field(ge=1, le=100_000)] = 1
    """From 1."""


@dataclass(frozen=True, slots=True)
class Row:
    """One autopilot of the list."""

    overview: Overview
    condition: Condition
    next_run_at: datetime | None
    no_next_run: str
    ticks: Ticks | None
    trouble: Trouble | None
    usage: UsageSum
    unstarted_since: datetime | None

    @property
    def last(self) -> Run | None:
        """Its newest run."""
        return self.overview.runs[0] if self.overview.runs else None

    @property
    def is_due(self) -> bool:
        """Whether the next run should have begun already."""
        return self.condition.health is Health.LATE

    @property
    def zone(self) -> str:
        """The time zone of the trigger that is due next."""
        due = (t for t in self.overview.triggers if t.next_run_at == self.next_run_at)
        return next((str(t.document.get("timezone", "UTC")) for t in due), "UTC")


@dataclass(frozen=True, slots=True)
class Listing:
    """What the page shows. `total` counts what the filters fit, `everything` without `health`."""

    rows: list[Row]
    counts: Mapping[Health, int]
    total: int
    everything: int
    first: int
    sources: list[SourceView]
    query: ListQuery

    @property
    def attention(self) -> int:
        """The number of autopilots that somebody should see to."""
        return sum(self.counts[health] for health in NEEDS_ATTENTION)

    @property
    def filtered(self) -> bool:
        """Whether any filter is set."""
        return bool(_filters(self.query).keys() - {"sort", "page"})

    @property
    def last(self) -> int:
        """The number of the last row that is shown."""
        return self.first + len(self.rows) - 1

    @property
    def newer(self) -> str | None:
        """The address of the page before."""
        return self.address(page=self.query.page - 1) if self.query.page > 1 else None

    @property
    def older(self) -> str | None:
        """The address of the page after."""
        return self.address(page=self.query.page + 1) if self.last < self.total else None

    def address(self, **changed: object) -> str:
        """This list with other parameters; None takes one away. It begins with its first page."""
        values = {**_filters(self.query), "page": None, **changed}
        if values["page"] == 1:
            values["page"] = None
        pairs = {name: value for name, value in values.items() if value is not None}
        return f"/?{urlencode(pairs, doseq=True)}" if pairs else "/"


def _filters(query: ListQuery) -> dict[str, object]:
    return query.model_dump(mode="json", by_alias=True, exclude_defaults=True)


_Lists = BriefCache[list[Judged]]


def list_page(clock: Clock) -> View:
    """The list of autopilots, with a memory of its own for long lists."""
    lists = _Lists(clock)

    async def overview(visit: Visit) -> Response:
        query = read_query(visit.request, ListQuery, from_form=True)
        context = visit.context
        cooldown = context.settings.breaker_cooldown
        moment = Moment(context.clock.now(), context.secret_store, cooldown)
        listing = await context.database.aread(lambda tx: _read(tx, query, visit, moment, lists))
        return visit.page(
            "autopilots.html", pickers=await pickers_for(visit), listing=listing, query=query
        )

    return overview


def _read(
    tx: Tx, query: ListQuery, visit: Visit, moment: Moment, lists: BriefCache[list[Judged]]
) -> Listing:
    """All that the other filters fit are judged, since the counts are of all healths."""
    asked = query.model_copy(update=dict.fromkeys(("health", "cursor"), None))
    where = autopilot_filter(asked, visit.caller, moment.now)
    with_next = query.sort is Sort.NEXT

    def read() -> list[Judged]:
        return judge(read_roster(tx, where, moment.now, with_next=with_next), moment)

    with collecting_rarely():
        everything = lists.get((where, with_next), read)
    fits = [j for j in everything if query.health in (None, j.condition.health)]
    ordered = in_order(fits, query.sort)
    # A page that is no longer there, since there are fewer autopilots now, is the last one.
    query = query.model_copy(update={"page": min(query.page, -(-len(ordered) // query.limit) or 1)})
    skipped = (query.page - 1) * query.limit
    ids = [judged.entry.id for judged in ordered[skipped : skipped + query.limit]]
    return Listing(
        rows=_rows(tx, ids, moment),
        counts=counted(everything),
        total=len(ordered),
        everything=len(everything),
        first=skipped + 1,
        sources=source_views(tx, visit.caller, visit.context.followed()),
        query=query,
    )


def _rows(tx: Tx, ids: Sequence[str], moment: Moment) -> list[Row]:
    runs, used = newest_runs(tx, ids, SHOWN), usage_of(tx, ids, moment.now - USAGE_OF)
    waiting, long_ago = unstarted_since(tx, ids), moment.now - PATIENCE
    return [
        _row(
            tx,
            overview,
            runs.get(overview.stored.id, []),
            used.get(overview.stored.id, UsageSum()),
            _before(waiting.get(overview.stored.id), long_ago),
            moment,
        )
        for overview in read_overviews(tx, ids)
    ]


def _before(at: datetime | None, limit: datetime) -> datetime | None:
    return at if at is not None and at < limit else None


def _row(
    tx: Tx,
    overview: Overview,
    runs: Sequence[Run],
    usage: UsageSum,
    waits_since: datetime | None,
    moment: Moment,
) -> Row:
    condition = condition_at(overview, moment.now, moment.secrets)
    standing = standing_of(overview.switches, moment.cooldown, moment.now)
    return Row(
        overview=overview,
        condition=condition,
        next_run_at=next_run_of(overview, standing),
        no_next_run=no_next_run(overview, standing),
        ticks=ticks_of(runs),
        trouble=trouble_of(tx, overview, condition),
        usage=usage,
        unstarted_since=waits_since,
    )
