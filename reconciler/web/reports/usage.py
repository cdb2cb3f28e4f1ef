"""`GET /v1/usage`: what runs cost, and the tokens that they used (docs/runs.md#usage)."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal

from pydantic import Field

from reconciler.core.access.roles import Caller, Role
from reconciler.core.base.money import as_number
from reconciler.core.calendar.days import day_of, days_between, start_of
from reconciler.core.manifest.fields import Instant
from reconciler.store.engine.database import Tx
from reconciler.store.runs.usage import (
    By,
    UsageSum,
    autopilot_names,
    sum_usage,
    sum_usage_by,
)
from reconciler.web.api.runs import PageQuery
from reconciler.web.http.answers import Reply
from reconciler.web.http.context import Context
from reconciler.web.http.cursor import decode_cursor, encode_cursor
from reconciler.web.http.operation import Call, NoBody, Operation, Wire, json_content
from reconciler.web.http.parameters import Text
from reconciler.web.http.problems import HttpProblem
from reconciler.web.models.run import Id

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LONGEST = timedelta(days=400)
"""The longest stretch of time that one report is about."""


class UsageQuery(PageQuery):
    """Which runs, and what they are grouped by."""

    from_: Annotated[Instant | None, Field(alias="from")] = None
    """The first moment; the beginning of the month, in the setting `timezone`, by default."""
    to: Instant | None = None
    """Not included; now by default, and where it lies ahead."""
    by: Literal["autopilot", "agent", "workspace", "day"] = "autopilot"
    """A group for each of these; days are those of the setting `timezone`."""
    workspace: Text | None = None
    """Only this workspace."""


class UsageSumView(Wire):
    """What runs used together."""

    runs: int
    """Runs that ended in this time, after their work had begun."""
    runs_without_cost: int
    """Those of them whose cost is not known: `costUsd` is the sum over the others."""
    cost_usd: float
    """US dollars, exact to the millionth."""
    input_tokens: int
    """Tokens that were sent to models, those from a cache included, as far as they are known."""
    output_tokens: int
    """Tokens that models wrote."""
    cached_tokens: int
    """Of the input, those that were read from a cache."""


class UsageItem(UsageSumView):
    """One group; null is what it is not grouped by."""

    workspace: str | None
    """The workspace."""
    autopilot_id: Id | None
    """The autopilot."""
    autopilot: str | None
    """The autopilot's name."""
    agent: str | None
    """The agent's name; null as well for runs that no agent had."""
    day: date | None
    """The day."""


class UsageReportPage(Wire):
    """A report of a stretch of time."""

    from_: Annotated[Instant, Field(alias="from")]
    """Its beginning."""
    to: Instant
    """Its end, not included."""
    timezone: str
    """Whose days are counted."""
    total: UsageSumView
    """The sum over all groups, also those of other pages."""
    items: list[UsageItem]
    """The dearest first; days in their order."""
    next_cursor: str | None
    """For the next page; null on the last one."""


async def report(call: Call[UsageQuery, NoBody]) -> Reply:
    """What runs cost over a stretch of time, by autopilot, agent, workspace or day."""
    query, context, caller = call.query, call.context, call.caller
    page = await context.database.aread(lambda tx: read_usage(tx, context, caller, query))
    return Reply(content=page)


def read_usage(tx: Tx, context: Context, caller: Caller, query: UsageQuery) -> UsageReportPage:
    """One page of the report, as far as the caller sees."""
    timezone, workspaces = context.settings.timezone, caller.narrowed(query.workspace)
    skip = int(decode_cursor(query.cursor, "usage", int)[0]) if query.cursor else 0
    start, end = _stretch(query, context.database.now(tx), timezone)
    groups = list(_groups(tx, query, start, end, timezone, workspaces))
    after = skip + query.limit
    return UsageReportPage(
        from_=start,
        to=end,
        timezone=timezone,
        total=UsageSumView(**_sums(sum_usage(tx, start, end, workspaces))),
        items=_named(tx, groups[skip:after]),
        next_cursor=encode_cursor("usage", after) if after < len(groups) else None,
    )


def _stretch(query: UsageQuery, now: datetime, timezone: str) -> tuple[datetime, datetime]:
    first = day_of(now, timezone).replace(day=1)
    start = max(query.from_ or start_of(first, timezone), _EPOCH)
    end = min(query.to or now, now)
    if not start < end or end - start > LONGEST:
        raise HttpProblem(
            400,
            "stretch-invalid",
            f"'from' must lie before 'to' and now, and at most {LONGEST.days} days before",
        )
    return start, end


def _groups(
    tx: Tx,
    query: UsageQuery,
    start: datetime,
    end: datetime,
    timezone: str,
    workspaces: frozenset[str] | None,
) -> Iterator[UsageItem]:
    if query.by == "day":
        for day in days_between(start, end, timezone):
            if (used := sum_usage(tx, day.start, day.end, workspaces)).runs:
                yield _item(used, day=day.date)
        return
    by: By = query.by
    sums = sum_usage_by(tx, by, start, end, workspaces)
    for (workspace, *more), used in sorted(sums.items(), key=_dearest):
        what = more[0] if more else None
        if by == "autopilot":
            yield _item(used, workspace, autopilot_id=what)
        else:
            yield _item(used, workspace, agent=what)


def _dearest(group: tuple[tuple[str | None, ...], UsageSum]) -> tuple[object, ...]:
    """The order of groups: by cost, of one cost by tokens and runs.

    By their keys in the end: pages of groups that used the same do not overlap.
    """
    key, used = group
    tokens = used.input_tokens + used.output_tokens
    return -used.cost_micros, -tokens, -used.runs, *map(str, key)


def _named(tx: Tx, items: list[UsageItem]) -> list[UsageItem]:
    ids = [item.autopilot_id for item in items if item.autopilot_id is not None]
    names = autopilot_names(tx, ids) if ids else {}
    return [
        item.model_copy(update={"autopilot": names.get(item.autopilot_id or "")}) for item in items
    ]


def _item(
    used: UsageSum,
    workspace: str | None = None,
    *,
    autopilot_id: str | None = None,
    agent: str | None = None,
    day: date | None = None,
) -> UsageItem:
    return UsageItem(
        workspace=workspace,
        autopilot_id=autopilot_id,
        autopilot=None,
        agent=agent,
        day=day,
        **_sums(used),
    )


def _sums(used: UsageSum) -> dict[str, float]:
    return {
        "runs": used.runs,
        "runs_without_cost": used.without_cost,
        "cost_usd": as_number(used.cost_micros),
        "input_tokens": used.input_tokens,
        "output_tokens": used.output_tokens,
        "cached_tokens": used.cached_tokens,
    }


OPERATIONS = (
    Operation(
        method="GET", path="/v1/usage", handler=report, role=Role.VIEWER, tag="runs",
        summary="Sum up what runs used", query=UsageQuery,
        answers={200: json_content(UsageReportPage, "The sums.", "ETag")},
    ),
)  # fmt: skip
