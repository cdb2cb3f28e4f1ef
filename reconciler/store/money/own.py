"""What autopilots have spent of their own budgets, for lists of them."""

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress

from sqlalchemy import ColumnElement, Connection, Text, and_, cast, exists, literal, select

from reconciler.core.money.budget import Budget
from reconciler.core.money.own import OwnSpending
from reconciler.store.engine.json_text import read_json
from reconciler.store.money.ledger import autopilot_scope, read_timezone
from reconciler.store.tables import autopilot, spending

_A, _L = autopilot.c, spending.c
_HAS_BUDGET = cast(_A.spec, Text).like('%"budget"%')
"""Or a text that holds the word: whoever reads the row sees."""
_SPENT = _L.scope == literal(autopilot_scope("")) + _A.id


def may_be_nearly_spent() -> ColumnElement[bool]:
    """True of every autopilot with a budget of its own that has spent anything lately."""
    spent = select(1).select_from(spending).where(_SPENT).correlate(autopilot)
    return and_(_HAS_BUDGET, exists(spent))


def read_own_spending(tx: Connection, ids: Sequence[str] | None = None) -> dict[str, OwnSpending]:
    """What these autopilots, or all that are not archived, have spent, if they have a budget."""
    query = select(_A.id, cast(_A.spec, Text), _L.day, _L.cost_micros).join(spending, _SPENT)
    query = query.where(_HAS_BUDGET, _A.archived_at.is_(None) if ids is None else _A.id.in_(ids))
    days: dict[str, dict[str, int]] = defaultdict(dict)
    specs: dict[str, str] = {}
    for id_, spec, day, cost in tx.execute(query):
        specs[id_], days[id_][day] = spec, cost
    if not specs:
        return {}
    timezone, own = read_timezone(tx), {}
    for id_, spec in specs.items():
        # A row that somebody edited by hand may be of any shape: it drifts.
        with suppress(AttributeError, TypeError, ValueError):
            if budget := Budget.of(read_json(spec).get("budget")):
                own[id_] = OwnSpending(budget, timezone, days[id_])
    return own
