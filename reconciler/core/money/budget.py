"""May another run start, as far as money is concerned? (docs/unattended.md#money)

All amounts are micro-dollars. What is read of the database is an `Account` for each budget that the
run falls under, in the transaction that admits it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Self

from reconciler.core.base.money import format_dollars, parse_dollars
from reconciler.core.calendar.days import day_of, start_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The most that one run, a day's and a month's runs may cost; None is no limit."""

    per_run: int | None = None
    per_day: int | None = None
    per_month: int | None = None

    @classmethod
    def of(cls, document: Mapping[str, Any] | None) -> Self:
        """Read `budget` of a manifest's JSON. Raises ValueError where it holds no amounts."""
        amounts = ((document or {}).get(name) for name in ("perRun", "perDay", "perMonth"))
        per_run, per_day, per_month = (
            None if amount is None else parse_dollars(amount) for amount in amounts
        )
        return cls(per_run=per_run, per_day=per_day, per_month=per_month)

    def __bool__(self) -> bool:
        return self != Budget()


@dataclass(frozen=True, slots=True)
class Terms:
    """What all processes of a database count by: the time zone, and the operator's budgets.

    `budgets` are those of `server` and of `workspace/NAME`, and those of agents, `agent/WS/NAME`.
    """

    timezone: str
    budgets: Mapping[str, Budget]


@dataclass(frozen=True, slots=True)
class Periods:
    """The day and the month of a moment, and when the next ones begin."""

    day: date
    month: date
    next_day: datetime
    next_month: datetime

    @classmethod
    def of(cls, moment: datetime, timezone: str) -> Self:
        """The periods that hold a moment, on the wall clock of a time zone."""
        day = day_of(moment, timezone)
        month = day.replace(day=1)
        after = (month + timedelta(days=32)).replace(day=1)
        tomorrow = day + timedelta(days=1)
        return cls(day, month, start_of(tomorrow, timezone), start_of(after, timezone))


@dataclass(slots=True)
class Account:
    """One budget, what was spent under it, and what the `active` runs may still spend.

    Changed in place as runs are admitted in one transaction. `spans_workspaces`: its sums are not
    for everybody who may know of a run that falls under it.
    """

    owner: str
    budget: Budget
    today: int = 0
    this_month: int = 0
    reserved: int = 0
    active: int = 0
    spans_workspaces: bool = False

    def reserve(self, runs: int, micros: int) -> None:
        """Count active runs that may cost so much together."""
        self.active += runs
        self.reserved += micros

    def enter(self, allowance: int | None) -> None:
        """Count a run that is admitted."""
        self.reserve(1, allowance or 0)


@dataclass(frozen=True, slots=True)
class Exceeded:
    """A limit that another run could pass: the sentence, and when its period ends."""

    why: str
    until: datetime


def allowance(accounts: Sequence[Account]) -> int | None:
    """What one run may cost: the strictest `perRun`, None where none is set."""
    limits = [a.budget.per_run for a in accounts if a.budget.per_run is not None]
    return min(limits, default=None)


def exceeded(accounts: Sequence[Account], periods: Periods) -> Exceeded | None:
    """The limit that keeps a run from being admitted; of several the one that lasts longest.

    A run is admitted where all that was spent, and all that the active runs and this one may spend,
    stays within each limit. Without `perRun` nobody knows what a run may spend: it is admitted
    until the limit is reached.
    """
    most = allowance(accounts)
    over = [
        Exceeded(_sentence(account, name, limit, spent, most, until), until)
        for account in accounts
        for name, limit, spent, until in _limits(account, periods)
        if _passes(spent + account.reserved, most or 0, limit)
    ]
    return max(over, key=lambda limit: limit.until, default=None)


def _passes(spoken_for: int, most: int, limit: int) -> bool:
    return spoken_for + most > limit or spoken_for >= limit


def _limits(account: Account, periods: Periods) -> list[tuple[str, int, int, datetime]]:
    rows = (
        ("perDay", account.budget.per_day, account.today, periods.next_day),
        ("perMonth", account.budget.per_month, account.this_month, periods.next_month),
    )
    return [(name, limit, spent, until) for name, limit, spent, until in rows if limit is not None]


def statement(account: Account, *, to_all: bool) -> str:
    """How a budget stands now.

    `to_all`: for a reader who may know of all workspaces. Others are not told the sums of a budget
    that spans them.
    """
    parts = _sums(account) if to_all or not account.spans_workspaces else [_HIDDEN]
    if account.budget.per_run is not None:
        parts.append(f"one run may cost {format_dollars(account.budget.per_run)}")
    return "; ".join(parts)


_HIDDEN = "what all workspaces have spent of it together is shown to those who may see them all"


def _sums(account: Account) -> list[str]:
    sums = (
        (account.today, account.budget.per_day, "today"),
        (account.this_month, account.budget.per_month, "this month"),
    )
    spent = [
        f"{format_dollars(used)} of {format_dollars(limit)} {when}"
        for used, limit, when in sums
        if limit is not None
    ]
    parts = [f"it has spent {' and '.join(spent)}"] if spent else []
    if account.reserved:
        parts.append(f"{format_dollars(account.reserved)} are reserved for active runs")
    return parts


def _sentence(
    account: Account, name: str, limit: int, spent: int, most: int | None, until: datetime
) -> str:
    # The sentence is kept on the run: its workspace reads it, its channels, and its agent.
    if account.spans_workspaces:
        for_it = f"no room for a run that may cost {format_dollars(most)}" if most else "no room"
        return f"budget.{name} of {account.owner} has {for_it} until {_moment(until)}"
    when = "today" if name == "perDay" else "this month"
    parts = [f"{account.owner} has spent {format_dollars(spent)} {when}"]
    if account.reserved:
        runs = "1 active run" if account.active == 1 else f"{account.active} active runs"
        parts.append(f"{format_dollars(account.reserved)} are reserved for {runs}")
    if most:
        parts.append(f"this run may cost {format_dollars(most)}")
    sums = ", ".join(parts[:-1]) + (" and " if len(parts) > 1 else "") + parts[-1]
    return f"{sums}; budget.{name} is {format_dollars(limit)} until {_moment(until)}"


def _moment(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
