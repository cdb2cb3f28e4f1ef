"""Where everything stands in a lane: runs in rows, what was missed, what is late, what comes.

Pure: values in, marks out. Units are those of `Window.x`; heights are pixels.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlencode

from reconciler.core.manifest.fields import format_instant
from reconciler.core.runs.run import MissedInterval, Run, Status
from reconciler.web.pages.lanes.window import WIDTH, Window
from reconciler.web.pages.words import duration, shown_moment

ROW = 11
TOP = 5
MOST_ROWS = 4
NARROWEST = 3.0
HIGHEST = 2 * ROW - 3.0
"""The bar of the cell that has the most runs."""
LOWEST = 2.5
_ORDER = (
    Status.FAILED, Status.RUNNING, Status.SESSION_CREATED, Status.PENDING, Status.SKIPPED,
    Status.COMPLETED,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bar:
    """Runs of one status within a cell."""

    kind: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Mark:
    """One thing in a lane. `kind` is its class, `words` its sentence, `waited` from where on a run
    waited before it began, `parts` what a cell of many runs is made of."""

    x: float
    width: float
    y: float
    kind: str
    words: str
    href: str | None = None
    waited: float | None = None
    parts: tuple[Bar, ...] = ()


@dataclass(frozen=True, slots=True)
class Link:
    """A line from one run to another: to the one that it waited for, or that took its place."""

    x1: float
    y1: float
    x2: float
    y2: float
    kind: str


@dataclass(frozen=True, slots=True)
class Lane:
    """One autopilot in a window. `summary` says in words what the picture shows."""

    id: str
    name: str
    workspace: str
    marks: Sequence[Mark]
    links: Sequence[Link] = ()
    rows: int = 1
    summary: str = ""

    @property
    def height(self) -> int:
        """Pixels."""
        return TOP * 2 + ROW * self.rows


@dataclass(slots=True)
class _Rows:
    """Which row is free from where on."""

    ends: list[float] = field(default_factory=list)

    def place(self, begin: float, end: float) -> int:
        for row, free in enumerate(self.ends):
            if free <= begin:
                self.ends[row] = end + 1
                return row
        if len(self.ends) < MOST_ROWS:
            self.ends.append(end + 1)
            return len(self.ends) - 1
        row = min(range(MOST_ROWS), key=self.ends.__getitem__)
        self.ends[row] = end + 1
        return row


def run_marks(runs: Iterable[Run], window: Window) -> tuple[list[Mark], list[Link], int]:
    """Each run by itself, runs that overlap below each other; the lines between them; the rows."""
    rows, marks = _Rows(), dict[str, Mark]()
    links: list[Link] = []
    ordered = sorted(runs, key=lambda run: (run.triggered_at, run.id))
    for run in ordered:
        triggered, begin, end = _extent(run, window)
        y = TOP + ROW * rows.place(triggered, max(end, begin + NARROWEST))
        width = max(NARROWEST, end - begin)
        x = min(begin, WIDTH - width)
        waited = triggered if begin - triggered >= 1 else None
        kind = f"status-{run.status}"
        marks[run.id] = Mark(x, width, y, kind, _sentence(run, window), f"/runs/{run.id}", waited)
    for run in ordered:
        links += _links(run, marks)
    return [*marks.values()], links, max(1, len(rows.ends))


def _extent(run: Run, window: Window) -> tuple[float, float, float]:
    """From its trigger, through the beginning of the work, to its end."""
    now = min(window.now, window.until)
    end = run.completed_at or max(now, run.triggered_at)
    begin = run.started_at or (end if run.ended else run.admitted_at or end)
    return window.x(run.triggered_at), window.x(begin), window.x(end)


def _links(run: Run, marks: Mapping[str, Mark]) -> Iterator[Link]:
    mine = marks[run.id]
    successor = marks.get(run.replaced_by or "")
    if successor is not None:
        yield _line(mine.x + mine.width, mine, successor.x, successor, "replaces")
    blocker = marks.get(run.blocked_by or "")
    if blocker is not None and run.status is not Status.SKIPPED:
        yield _line(blocker.x + blocker.width, blocker, mine.x, mine, "queued")


def _line(x1: float, from_: Mark, x2: float, to: Mark, kind: str) -> Link:
    middle = (ROW - 3) / 2
    return Link(x1, from_.y + middle, x2, to.y + middle, kind)


def _sentence(run: Run, window: Window) -> str:
    """When, by what, what became of it, and why."""
    moment = run.scheduled_for or run.triggered_at
    by = run.trigger or run.source
    what = str(run.status).replace("_", " ")
    if run.failure_reason:
        what += f" ({run.reason}): {run.failure_reason}"
    elif run.waiting_for:
        what += f": waits ({run.waiting_for})"
    took = ""
    if run.started_at and run.completed_at:
        worked = (run.completed_at - run.started_at).total_seconds()
        took = f", took {duration(round(worked * 1000))}"
    return f"{shown_moment(moment, window.now)}, {by}: {what}{took}"


@dataclass(frozen=True, slots=True)
class Counted:
    """Runs of one status that were triggered within a step of time."""

    first: datetime
    last: datetime
    status: Status
    count: int


def count_marks(counts: Iterable[Counted], window: Window, cell: float, key: str) -> list[Mark]:
    """Thousands of runs: a bar for each cell, as high as there are many, divided by status.

    `key` is the autopilot as the list of runs finds it.
    """
    cells: dict[int, list[Counted]] = defaultdict(list)
    for counted in counts:
        cells[int(window.x(counted.first) // cell)].append(counted)
    most = max((sum(part.count for part in parts) for parts in cells.values()), default=1)
    return [_cell(number * cell, cell, parts, window, key, most) for number, parts in cells.items()]


def _cell(
    x: float, width: float, parts: Sequence[Counted], window: Window, key: str, most: int
) -> Mark:
    first, last = min(part.first for part in parts), max(part.last for part in parts)
    of_each: Counter[Status] = Counter()
    for part in parts:
        of_each[part.status] += part.count
    listed = ", ".join(
        f"{count} {status.replace('_', ' ')}" for status, count in of_each.most_common()
    )
    total = of_each.total()
    words = (
        f"{total} run{'' if total == 1 else 's'} from {shown_moment(first, window.now)} "
        f"to {shown_moment(last, window.now)}: {listed}"
    )
    query = {"autopilot": key, "since": format_instant(first), "until": format_instant(last)}
    address = f"/runs?{urlencode(query)}"
    bars = tuple(_bars(of_each, HIGHEST * total / most))
    return Mark(x, width - 0.5, TOP, "counted", words, address, parts=bars)


def _bars(of_each: Counter[Status], height: float) -> Iterator[Bar]:
    """From the top: what is bad first, and never too low to be seen."""
    present = [status for status in _ORDER if of_each[status]]
    shares = [max(LOWEST, height * of_each[status] / of_each.total()) for status in present]
    y = TOP + HIGHEST - min(HIGHEST, sum(shares))
    for status, share in zip(present, shares, strict=True):
        low = min(share, TOP + HIGHEST - y)
        yield Bar(f"status-{status}", round(y, 1), round(low, 1))
        y += low


def missed_marks(
    missed: Iterable[MissedInterval], window: Window, names: Mapping[str, str]
) -> list[Mark]:
    """What did not run, as bands as long as it went on."""
    return [_band(interval, window, names) for interval in missed]


def _band(interval: MissedInterval, window: Window, names: Mapping[str, str]) -> Mark:
    first = window.x(interval.first)
    last = window.x(interval.last or min(window.now, window.until))
    width = max(NARROWEST, last - first)
    count = "" if interval.count is None else f"{interval.count} "
    at_least = "" if interval.exact or interval.count is None else "at least "
    until = shown_moment(interval.last, window.now) if interval.last else "now, and it goes on"
    words = (
        f"{at_least}{count}{interval.reason}, {names.get(interval.trigger_id, 'removed trigger')}, "
        f"from {shown_moment(interval.first, window.now)} to {until}: {interval.detail}"
    )
    return Mark(min(first, WIDTH - width), width, 0, f"missed-{interval.reason}", words)


def late_mark(due: datetime, trigger: str, window: Window) -> Mark:
    """An occurrence that is due and that nobody has decided about."""
    x = window.x(due)
    words = (
        f"{shown_moment(due, window.now)}, {trigger}: late; no server has decided about it yet; "
        "is one running?"
    )
    return Mark(x, max(NARROWEST, window.x(window.now) - x), 0, "late", words)


def coming_mark(at: datetime, trigger: str, window: Window) -> Mark:
    """An occurrence that is to come."""
    words = f"{shown_moment(at, window.now)}, {trigger}: is to come"
    return Mark(min(window.x(at), WIDTH - NARROWEST), NARROWEST, TOP, "coming", words)
