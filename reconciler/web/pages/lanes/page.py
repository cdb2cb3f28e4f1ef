"""The pages of time: one autopilot or all of them, from 24 hours to 30 days."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from pydantic import Field
from starlette.responses import Response

from reconciler.core.manifest.fields import Instant, format_instant
from reconciler.store.engine.database import Tx
from reconciler.store.objects.autopilot_filter import AutopilotFilter
from reconciler.store.objects.overview import Overview, PageKey, list_overviews
from reconciler.store.revisions.revisions import RevisionResult, list_attempts
from reconciler.web.api.autopilots import require_overview
from reconciler.web.http.cursor import decode_cursor, encode_cursor
from reconciler.web.http.operation import Wire
from reconciler.web.http.parameters import Text, read_query
from reconciler.web.http.problems import HttpProblem
from reconciler.web.models.revision import RevisionView
from reconciler.web.pages.lanes.calendar import Day, calendar
from reconciler.web.pages.lanes.layout import Lane
from reconciler.web.pages.lanes.reading import read_lane
from reconciler.web.pages.lanes.window import SPANS, Window
from reconciler.web.pages.pickers import pickers_for
from reconciler.web.pages.serving import Visit
from reconciler.web.pages.words import shown_moment

LANES = 25
"""Autopilots on a page."""
MOST_ONE, CELL_ONE = 400, 4.0
MOST_EACH, CELL_EACH = 60, 8.0
"""Runs that are drawn one by one, and the width of a cell where they are counted: of one autopilot
on its own page, and of each where there are many."""
MOST_REVISIONS = 50
_FIRST = datetime(2000, 3, 1, tzinfo=UTC)
_FURTHEST = timedelta(days=366)


class LaneQuery(Wire):
    """Which stretch of time."""

    span: Literal["day", "days", "week", "month"] = "day"
    """How much of it."""
    to: Instant | None = None
    """Where it ends; a little beyond now by default."""


class LanesQuery(LaneQuery):
    """Which autopilots, and when."""

    workspace: Text | None = None
    """Only this workspace."""
    q: Text | None = None
    """Only those with this in name, title or description."""
    cursor: Annotated[str, Field(max_length=600)] | None = None
    """Where the page before ended."""


@dataclass(frozen=True, slots=True)
class RevisionMark:
    """A revision that was applied within the window."""

    x: float
    words: str


@dataclass(frozen=True, slots=True)
class Picture:
    """What a page of lanes shows; `week` is what is to come for the autopilots that it shows."""

    window: Window
    lanes: Sequence[Lane]
    revisions: Sequence[RevisionMark]
    week: Sequence[Day]
    following: PageKey | None = None


async def all_lanes(visit: Visit) -> Response:
    """The lanes of the autopilots that the caller sees, by name."""
    query = read_query(visit.request, LanesQuery, from_form=True)
    window = _window(visit, query)
    after = None
    if query.cursor:
        name, id_ = decode_cursor(query.cursor, "lanes", str, str)
        after = PageKey(str(name), str(id_))
    where = AutopilotFilter(workspaces=visit.caller.narrowed(query.workspace), text=query.q)

    def read(tx: Tx) -> Picture:
        overviews = list_overviews(tx, where, limit=LANES + 1, after=after)
        following = overviews[LANES - 1].place if len(overviews) > LANES else None
        return _picture(tx, visit, overviews[:LANES], window, (MOST_EACH, CELL_EACH), following)

    picture = await visit.context.database.aread(read)
    more = None
    if picture.following is not None:
        more = _address(visit, query, cursor=encode_cursor("lanes", *picture.following))
    first = _address(visit, query, cursor=None) if query.cursor else None
    return visit.page(
        "timeline.html", picture=picture, query=query, more=more, first=first,
        pickers=await pickers_for(visit),
        **_turns(visit, query, window),
    )  # fmt: skip


async def one_lane(visit: Visit) -> Response:
    """One autopilot on a page of its own."""
    query = read_query(visit.request, LaneQuery, from_form=True)
    window, id_ = _window(visit, query), visit.path["id"].lower()

    def read(tx: Tx) -> tuple[Overview, Picture]:
        overview = require_overview(tx, id_, visit.caller)
        return overview, _picture(tx, visit, [overview], window, (MOST_ONE, CELL_ONE), None)

    overview, picture = await visit.context.database.aread(read)
    return visit.page(
        "lane.html", overview=overview, picture=picture, query=query,
        **_turns(visit, query, window),
    )  # fmt: skip


def picture_of(tx: Tx, visit: Visit, overview: Overview, now: datetime) -> Picture:
    """The last day of one autopilot, for its page; without the week to come."""
    window = Window.of("day", now)
    lane = _lanes(tx, visit, [overview], window, (MOST_ONE, CELL_ONE))
    return Picture(window, lane, _revisions(tx, visit, [overview], window), [])


def _picture(
    tx: Tx,
    visit: Visit,
    overviews: Sequence[Overview],
    window: Window,
    bounds: tuple[int, float],
    following: PageKey | None,
) -> Picture:
    cooldown = visit.context.settings.breaker_cooldown
    lanes = _lanes(tx, visit, overviews, window, bounds)
    week = calendar(overviews, window.now, cooldown) if window.until > window.now else []
    return Picture(window, lanes, _revisions(tx, visit, overviews, window), week, following)


def _lanes(
    tx: Tx,
    visit: Visit,
    overviews: Sequence[Overview],
    window: Window,
    bounds: tuple[int, float],
) -> list[Lane]:
    cooldown, (most, cell) = visit.context.settings.breaker_cooldown, bounds
    return [read_lane(tx, o, window, cooldown, most=most, cell=cell) for o in overviews]


def _revisions(
    tx: Tx, visit: Visit, overviews: Sequence[Overview], window: Window
) -> list[RevisionMark]:
    """Applied revisions of the sources that the autopilots come from."""
    sources = {o.stored.origin.source_id for o in overviews if o.stored.origin}
    attempts = list_attempts(tx, workspaces=visit.caller.workspaces, limit=MOST_REVISIONS)
    return [
        RevisionMark(
            window.x(attempt.created_at), _told(RevisionView.of(attempt, visit.caller), window)
        )
        for attempt in attempts
        if attempt.source_id in sources
        and attempt.result is RevisionResult.APPLIED
        and window.since <= attempt.created_at < window.until
    ]


def _told(attempt: RevisionView, window: Window) -> str:
    by = f" by {attempt.author or attempt.actor}"
    about = f": {attempt.subject}" if attempt.subject else ""
    short = attempt.revision.removeprefix("sha256:")[:10]
    return f"{shown_moment(attempt.created_at, window.now)}: revision {short}{by}{about}"


def _window(visit: Visit, query: LaneQuery) -> Window:
    now = visit.context.clock.now()
    if query.to is not None and not _FIRST <= query.to <= now + _FURTHEST:
        raise HttpProblem(
            400, "stretch-invalid", "to must lie after 2000, and at most a year ahead"
        )
    return Window.of(query.span, now, query.to)


def _turns(visit: Visit, query: LaneQuery, window: Window) -> dict[str, Any]:
    """Links to other spans, to earlier and to later."""
    later = window.until + window.shift
    is_now = query.to is None
    return {
        "spans": [
            (name, span.words, _address(visit, query, span=name)) for name, span in SPANS.items()
        ],
        "earlier": _address(visit, query, to=format_instant(window.until - window.shift)),
        "later": None if is_now else _address(visit, query, to=_or_now(later, window.now)),
        "today": None if is_now else _address(visit, query, to=None),
    }


def _or_now(at: datetime, now: datetime) -> str | None:
    return format_instant(at) if at < now else None


def _address(visit: Visit, query: Wire, **changed: object) -> str:
    values = {**query.model_dump(mode="json", by_alias=True, exclude_defaults=True), **changed}
    pairs = {name: value for name, value in values.items() if value is not None}
    here = visit.request.url.path
    return f"{here}?{urlencode(pairs)}" if pairs else here
