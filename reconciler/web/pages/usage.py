"""The page of usage: what runs cost day by day, and who spent it (docs/runs.md#usage)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from urllib.parse import urlencode

from starlette.responses import Response

from reconciler.core.calendar.days import day_of, days_between, start_of
from reconciler.store.engine.database import Tx
from reconciler.web.http.operation import Wire
from reconciler.web.http.parameters import Text, read_query
from reconciler.web.pages.serving import Visit
from reconciler.web.reports.usage import UsageItem, UsageQuery, UsageReportPage, read_usage

SHOWN = 25
HEIGHT = 120
WIDTH = 1000
_EMPTY = UsageItem(
    runs=0, runs_without_cost=0, cost_usd=0, input_tokens=0, output_tokens=0, cached_tokens=0,
    workspace=None, autopilot_id=None, autopilot=None, agent=None, day=None,
)  # fmt: skip
PERIODS = {"week": ("7 days", 7), "month": ("30 days", 30), "quarter": ("90 days", 90)}


class PageUsageQuery(Wire):
    """What the page shows."""

    by: Literal["autopilot", "agent", "workspace"] = "autopilot"
    """The rows of the table."""
    period: Literal["week", "month", "quarter"] = "month"
    """How many days."""
    workspace: Text | None = None
    """Only this workspace."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One day of the chart, in units of its picture; `words` say what it cost."""

    x: float
    y: float
    width: float
    height: float
    words: str
    label: str


@dataclass(frozen=True, slots=True)
class Spent:
    """What the page shows; `most` is what the highest bar stands for, in `unit`."""

    report: UsageReportPage
    bars: Sequence[Bar]
    most: str

    @property
    def is_known(self) -> bool:
        """Whether there is anything to draw."""
        return any(bar.height for bar in self.bars)


async def usage(visit: Visit) -> Response:
    """Costs and tokens of a stretch of time."""
    query = read_query(visit.request, PageUsageQuery, from_form=True)
    spent = await visit.context.database.aread(lambda tx: _read(tx, visit, query))
    return visit.page(
        "usage.html",
        spent=spent,
        query=query,
        periods=[
            (name, words, _address(query, period=name)) for name, (words, _) in PERIODS.items()
        ],
        groups=[(by, _address(query, by=by)) for by in ("autopilot", "agent", "workspace")],
    )


def _read(tx: Tx, visit: Visit, query: PageUsageQuery) -> Spent:
    now, zone = visit.context.database.now(tx), visit.context.settings.timezone
    days = PERIODS[query.period][1]
    start = start_of(day_of(now, zone) - timedelta(days=days - 1), zone)
    by_day = _report(tx, visit, query, start, "day", days + 1)
    table = _report(tx, visit, query, start, query.by, SHOWN)
    bars, most = chart(_every_day(by_day.items, start, now, zone))
    return Spent(table, bars, most)


def _every_day(
    items: Sequence[UsageItem], start: datetime, now: datetime, zone: str
) -> list[UsageItem]:
    """Days on which no run ended, too."""
    by_date = {item.day: item for item in items}
    return [
        by_date.get(day.date) or _EMPTY.model_copy(update={"day": day.date})
        for day in days_between(start, now, zone)
    ]


def _report(
    tx: Tx,
    visit: Visit,
    query: PageUsageQuery,
    start: datetime,
    by: Literal["autopilot", "agent", "workspace", "day"],
    limit: int,
) -> UsageReportPage:
    asked = UsageQuery(from_=start, by=by, workspace=query.workspace, limit=limit)
    return read_usage(tx, visit.context, visit.caller, asked)


def chart(items: Sequence[UsageItem]) -> tuple[list[Bar], str]:
    """A bar for each day: of dollars, or of tokens where nobody says what they cost."""
    in_dollars = any(item.cost_usd for item in items)
    values = [item.cost_usd if in_dollars else float(_tokens(item)) for item in items]
    most = max(values, default=0.0)
    each = WIDTH / max(1, len(items))
    bars = []
    for number, (item, value) in enumerate(zip(items, values, strict=True)):
        height = round(HEIGHT * value / most, 1) if most else 0.0
        label = f"{item.day.day} {item.day:%b}" if item.day else ""
        bars.append(
            Bar(
                x=round(number * each + each * 0.1, 1),
                y=HEIGHT - height,
                width=round(each * 0.8, 1),
                height=height,
                words=_words(item, label),
                label=label,
            )
        )
    return bars, f"${most:,.2f}" if in_dollars else f"{most:,.0f} tokens"


def _words(item: UsageItem, label: str) -> str:
    unknown = f", {item.runs_without_cost} of unknown cost" if item.runs_without_cost else ""
    return (
        f"{label}: ${item.cost_usd:,.2f}, {item.runs} run{'' if item.runs == 1 else 's'}{unknown}, "
        f"{_tokens(item):,} tokens"
    )


def _tokens(item: UsageItem) -> int:
    return item.input_tokens + item.output_tokens


def _address(query: PageUsageQuery, **changed: str) -> str:
    values = {**query.model_dump(exclude_none=True), **changed}
    return f"/usage?{urlencode(values)}"
