"""Budgets as admission reads them: the limits, what was spent, and what active runs may spend."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Text,
    bindparam,
    case,
    cast,
    func,
    literal,
    literal_column,
    select,
    text,
)

from reconciler.core.manifest.model import SquadSpec
from reconciler.core.money.budget import Account, Budget, Exceeded, Periods, Terms, allowance
from reconciler.core.money.budget import exceeded as exceeded_by
from reconciler.core.runs.live import LiveAutopilot
from reconciler.core.runs.queue import Queue
from reconciler.store.engine.batches import IDS, batches
from reconciler.store.engine.bulk import Known, insert_rows
from reconciler.store.engine.json_text import read_json
from reconciler.store.money.ledger import (
    MONEY,
    SERVER,
    agent_scope,
    autopilot_scope,
    workspace_scope,
)
from reconciler.store.tables import BUDGETED, agent, autopilot_run, shared_setting, spending, squad

_R, _A, _S, _L, _Q = autopilot_run.c, agent.c, shared_setting.c, spending.c, squad.c

_OWN = autopilot_scope("")
_TERMS = (
    select(literal("").label("workspace"), literal("").label("name"), cast(_S.value, Text))
    .where(_S.name == MONEY)
    .union_all(
        select(_A.workspace_id, _A.name, cast(_A.budget, Text)).where(
            _A.budget.is_not(None), _A.archived_at.is_(None)
        )
    )
)
"""One statement, since every admission asks, and mostly there is nothing to find."""


def save_terms(
    tx: Connection, timezone: str, budgets: Mapping[str, Mapping[str, Any]], now: datetime
) -> None:
    """Keep what the operator has set, for every process of this database.

    `budgets` are as in manifests, by `server` and `workspace/NAME`.
    """
    value = {"timezone": timezone, "budgets": {name: dict(each) for name, each in budgets.items()}}
    held = tx.execute(select(_S.value).where(_S.name == MONEY)).scalar_one_or_none()
    if held != value:
        row = {"name": MONEY, "value": value, "updated_at": now}
        insert_rows(tx, shared_setting, [row], known=Known.REPLACED)


def read_terms(tx: Connection) -> Terms:
    """Read the time zone, the operator's budgets, and those of agents."""
    timezone, budgets = "UTC", dict[str, Budget]()
    for workspace, name, raw in tx.execute(_TERMS):
        value = read_json(raw)
        # What somebody made unreadable by hand counts as not there: it drifts.
        with suppress(LookupError, TypeError, ValueError, AttributeError):
            if not name:
                timezone = value["timezone"]
                budgets |= {scope: Budget.of(each) for scope, each in value["budgets"].items()}
            else:
                budgets[agent_scope(workspace, name)] = Budget.of(value)
    return Terms(timezone, {scope: budget for scope, budget in budgets.items() if budget})


@dataclass(slots=True)
class Accounts:
    """The accounts of some autopilots: those of one scope are one object, shared by all."""

    periods: Periods
    by_scope: Mapping[str, Account] = field(default_factory=dict)
    scopes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Of each autopilot, by id."""

    def of(self, live: LiveAutopilot) -> list[Account]:
        """The accounts that a run of this autopilot falls under."""
        return [self.by_scope[scope] for scope in self.scopes.get(live.id, ())]

    def exceeded(self, live: LiveAutopilot) -> Exceeded | None:
        """The limit that a run of this autopilot could pass now."""
        accounts = self.of(live)
        return exceeded_by(accounts, self.periods) if accounts else None

    def allowance(self, live: LiveAutopilot) -> int | None:
        """The `allowance_micros` of a run of this autopilot."""
        accounts = self.of(live)
        return (allowance(accounts) or 0) if accounts else None

    def enter(self, live: LiveAutopilot) -> int | None:
        """Count a run that is admitted; return its `allowance_micros`."""
        most = self.allowance(live)
        for account in self.of(live):
            account.enter(most)
        return most


def read_accounts(
    tx: Connection, autopilots: Iterable[LiveAutopilot], now: datetime, *, hold: bool = True
) -> Accounts:
    """What has been spent, and may still be, under every budget of these autopilots.

    The caller holds their rows, and admits by what it gets: until it commits, nobody else admits a
    run under a budget that these autopilots share with others. Without `hold` it only tells.
    """
    terms = read_terms(tx)
    periods, shared = Periods.of(now, terms.timezone), terms.budgets
    lives = list(autopilots)
    members = _members(tx, {scope.split("/")[1] for scope in shared if scope.startswith("agent/")})
    budgets: dict[str, Budget] = {}
    scopes_of: dict[str, list[str]] = {}
    for live in lives:
        queue = Queue(live.workspace, *live.assignee)
        own = {autopilot_scope(live.id): live.policy.budget} if live.policy.budget else {}
        scopes = own | {
            s: shared[s] for s in _shared(live.workspace, queue, members) if s in shared
        }
        scopes_of[live.id] = list(scopes)
        budgets |= scopes
    if not budgets:
        return Accounts(periods)
    if hold and any(scope in shared for scope in budgets):
        _hold(tx)
    names = {autopilot_scope(live.id): f"autopilot {live.workspace}/{live.name}" for live in lives}
    by_scope = {
        s: Account(names.get(s) or _words(s), b, spans_workspaces=s == SERVER)
        for s, b in budgets.items()
    }
    # Active runs before the ledger: one that ends in between moves from these to that, and is
    # counted twice. The other way round it would be in neither, and two runs could pass a limit.
    _reserve(tx, by_scope, members)
    _spend(tx, by_scope, periods)
    return Accounts(periods, by_scope, scopes_of)


def _hold(tx: Connection) -> None:
    """Be the only one who admits under budgets that several autopilots share."""
    if tx.dialect.name == "postgresql":
        tx.execute(text("SELECT pg_advisory_xact_lock(hashtext('reconciler.budgets'))"))


_SQUADS = select(_Q.workspace_id, _Q.name, _Q.spec).where(
    _Q.workspace_id.in_(IDS), _Q.archived_at.is_(None)
)


def _members(tx: Connection, workspaces: AbstractSet[str]) -> dict[tuple[str, str], list[str]]:
    """The members of the squads of these workspaces: any of them may get a run of the squad."""
    if not workspaces:
        return {}
    members: dict[tuple[str, str], list[str]] = {}
    for workspace, name, spec in tx.execute(_SQUADS, {"ids": sorted(workspaces)}):
        with suppress(ValueError):
            members[workspace, name] = [*SquadSpec.model_validate(spec).members]
    return members


def _shared(
    workspace: str, queue: Queue, members: Mapping[tuple[str, str], Sequence[str]]
) -> list[str]:
    """The scopes of a run that waits in a queue, but for its autopilot's own."""
    agents = [queue.name]
    if queue.kind == "squad":
        agents = [*members.get((workspace, queue.name), ())]
    return [SERVER, workspace_scope(workspace), *(agent_scope(workspace, a) for a in agents)]


def _words(scope: str) -> str:
    kind, _, name = scope.partition("/")
    return "the server" if scope == SERVER else f"{kind} {name}"


_MAY_COST = func.sum(
    case((_R.cost_micros > _R.allowance_micros, _R.cost_micros), else_=_R.allowance_micros)
)
_BUDGETED: ColumnElement[bool] = literal_column(BUDGETED)
_OF_AUTOPILOTS = (
    select(_R.autopilot_id, func.count(), _MAY_COST)
    .where(_R.autopilot_id.in_(IDS), _BUDGETED)
    .group_by(_R.autopilot_id)
)
_OF_ALL = (
    select(_R.workspace_id, _R.agent, _R.queue, func.count(), _MAY_COST)
    .where(_BUDGETED)
    .group_by(_R.workspace_id, _R.agent, _R.queue)
)


def _reserve(
    tx: Connection,
    accounts: Mapping[str, Account],
    members: Mapping[tuple[str, str], Sequence[str]],
) -> None:
    """Add what the active runs may cost, or have cost already where that is more."""
    own = [scope.removeprefix(_OWN) for scope in accounts if scope.startswith(_OWN)]
    for batch in batches(own):
        for autopilot_id, runs, micros in tx.execute(_OF_AUTOPILOTS, {"ids": batch}):
            accounts[autopilot_scope(autopilot_id)].reserve(runs, int(micros))
    if len(own) == len(accounts):
        return
    for workspace, agent_name, queue, runs, micros in tx.execute(_OF_ALL):
        # Until it has an agent, any member of a squad may get it.
        waits_in = Queue(workspace, "agent", agent_name) if agent_name else Queue.parse(queue)
        for scope in _shared(workspace, waits_in, members):
            if (account := accounts.get(scope)) is not None:
                account.reserve(runs, int(micros))


_SPENT = (
    select(
        _L.scope,
        func.sum(case((_L.day == bindparam("today"), _L.cost_micros), else_=0)),
        func.sum(_L.cost_micros),
    )
    .where(_L.scope.in_(IDS), _L.day >= bindparam("month"))
    .group_by(_L.scope)
)


def _spend(tx: Connection, accounts: Mapping[str, Account], periods: Periods) -> None:
    since = {"today": periods.day.isoformat(), "month": periods.month.isoformat()}
    for batch in batches(list(accounts)):
        for scope, today, month in tx.execute(_SPENT, {"ids": batch, **since}):
            accounts[scope].today, accounts[scope].this_month = int(today), int(month)
