"""The page of one autopilot: state, triggers, runs, missed intervals, manifest."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from starlette.responses import Response

from reconciler.control.runs import switches
from reconciler.control.runs.launch import Order
from reconciler.control.unreadable import find_readable, unreadable
from reconciler.core.access.roles import Role
from reconciler.core.base.errors import Conflict
from reconciler.core.base.identity import is_commit
from reconciler.core.calendar.schedule import Occurrence
from reconciler.core.manifest.model import Autopilot, AutopilotStatus
from reconciler.core.manifest.state import Document
from reconciler.core.money.budget import statement
from reconciler.core.runs.condition import Condition
from reconciler.core.runs.run import Json, MissedInterval, Run
from reconciler.core.runs.standing import NotInForce, Standing, standing_of
from reconciler.core.schedule.outlook import forecast
from reconciler.core.webhooks.errors import BodyError
from reconciler.core.webhooks.payload import parse_json
from reconciler.manifest.edit.export import to_yaml
from reconciler.store.engine.database import Tx
from reconciler.store.money.budgets import read_accounts
from reconciler.store.objects.overview import Overview, ShownTrigger
from reconciler.store.revisions.revisions import author_of
from reconciler.store.runs.lists import RunFilter
from reconciler.store.runs.missed import missed_between
from reconciler.store.runs.usage import UsageSum, usage_of
from reconciler.store.webhooks.deliveries import Delivery, DeliveryFilter, list_deliveries
from reconciler.web.api.autopilots import require_overview
from reconciler.web.api.runs import require_autopilot
from reconciler.web.http.cursor import Paged
from reconciler.web.models.autopilot import condition_at, next_run_of, no_next_run
from reconciler.web.models.urls import webhook_url
from reconciler.web.pages.autopilots.places import Places, places_of
from reconciler.web.pages.autopilots.trouble import Trouble, trouble_of
from reconciler.web.pages.lanes.page import Picture, picture_of
from reconciler.web.pages.run_lists import run_table
from reconciler.web.pages.serving import Visit, see_other

COMING = 5
"""Occurrences that are shown of each schedule."""
MISSED_FOR = timedelta(days=30)
MOST_MISSED = 20
DELIVERIES = 5
"""Deliveries that are shown of each webhook."""
USAGE_OF = timedelta(days=30)
REUSED = "this form has started a run already, with other values; press Run to start one more"
"""What is said of a form that was changed after it was sent."""


@dataclass(frozen=True, slots=True)
class TriggerCard:
    """A trigger as the page shows it. `url` is there for operators only."""

    trigger: ShownTrigger
    coming: list[Occurrence]
    url: str | None
    deliveries: list[Delivery]

    @property
    def masked(self) -> str:
        """The URL without what makes it secret."""
        return f"{(self.url or '').rpartition('whk_')[0]}whk_…"


@dataclass(frozen=True, slots=True)
class Detail:
    """What the page shows; `missed` is newest first.

    `illegible`: nothing can be made of the row any more, and `overview` has what was last applied.
    """

    overview: Overview
    condition: Condition
    standing: Standing
    cards: list[TriggerCard]
    runs: Paged[Run]
    missed: list[MissedInterval]
    manifest: str
    illegible: bool
    picture: Picture
    trouble: Trouble | None
    author: str | None
    usage: UsageSum
    budgets: Mapping[str, str]
    written_at: Places

    @property
    def is_paused_here(self) -> bool:
        """Whether `resume` would change anything."""
        switches = self.overview.switches
        return switches.paused_at is not None or switches.breaker_opened_at is not None

    @property
    def can_pause(self) -> bool:
        """Whether `pause` would change anything."""
        switches = self.overview.switches
        return switches.paused_at is None and switches.status is AutopilotStatus.ACTIVE

    @property
    def revert(self) -> str | None:
        """The command that undoes the commit with which it began to fail."""
        return self.overview.streak.revert if self.overview.streak else None

    @property
    def can_be_forced(self) -> bool:
        """Whether a run by hand would be taken if it is said twice."""
        return not (isinstance(self.standing, NotInForce) and self.standing.final)

    @property
    def next_run_at(self) -> datetime | None:
        """When it is due next, if it takes work."""
        return next_run_of(self.overview, self.standing)

    @property
    def no_next_run(self) -> str:
        """What is said where there is no next run."""
        return no_next_run(self.overview, self.standing)

    @property
    def can_run(self) -> bool:
        """Whether a run by hand would be taken."""
        return not isinstance(self.standing, NotInForce)

    @property
    def trigger_names(self) -> dict[str, str]:
        """Names of triggers by id."""
        return {trigger.id: trigger.name for trigger in self.overview.triggers}


async def show(visit: Visit) -> Response:
    """One autopilot, archived ones too."""
    return await _shown(visit)


async def _shown(visit: Visit, refusal: str | None = None, status: int = 200) -> Response:
    now = visit.context.clock.now()
    detail = await visit.context.database.aread(lambda tx: _read(tx, visit, now))
    saved = visit.request.query_params.get("saved")
    saved = saved if saved == "yes" or is_commit(saved) else None
    return visit.page(
        "autopilot.html",
        status,
        # An operator's page has URLs of webhooks, and forms that start runs.
        no_store=visit.caller.may(Role.OPERATOR),
        detail=detail,
        saved=saved,
        refusal=refusal,
        form=visit.form,
    )


def _read(tx: Tx, visit: Visit, now: datetime) -> Detail:
    stored = require_overview(tx, visit.path["id"].lower(), visit.caller)
    overview = legible(stored)
    id_, origin = overview.stored.id, overview.stored.origin
    missed = missed_between(tx, id_, now - MISSED_FOR, now)
    standing = standing_of(overview.switches, visit.context.settings.breaker_cooldown, now)
    condition = condition_at(overview, now, visit.context.secret_store)
    source, revision = overview.stored.source_id, origin.revision if origin else None
    return Detail(
        overview=overview,
        condition=condition,
        standing=standing,
        cards=[_card(tx, visit, trigger, standing, now) for trigger in overview.triggers],
        runs=run_table(tx, visit, RunFilter(autopilot_id=id_)),
        missed=missed[: -MOST_MISSED - 1 : -1],
        manifest=to_yaml(overview.stored.document),
        illegible=overview is not stored,
        picture=picture_of(tx, visit, overview, now),
        trouble=trouble_of(tx, overview, condition),
        author=author_of(tx, source, revision) if source and revision else None,
        usage=usage_of(tx, [id_], now - USAGE_OF).get(id_, UsageSum()),
        budgets=_budgets(tx, visit, id_, now),
        written_at=places_of(origin, visit.context.followed().get(source or "")),
    )


def _budgets(tx: Tx, visit: Visit, id_: str, now: datetime) -> dict[str, str]:
    """How the budgets stand that its runs fall under, by whose they are; none where its row
    cannot be read."""
    live = find_readable(tx, id_)
    accounts = read_accounts(tx, [live], now, hold=False).of(live) if live else []
    to_all = visit.caller.workspaces is None
    return {account.owner: statement(account, to_all=to_all) for account in accounts}


def legible(overview: Overview) -> Overview:
    """The autopilot as its row means it, or as it was last applied where that is no manifest.

    Raises Conflict where nothing was ever applied to such a row.
    """
    stored = overview.stored
    if _is_whole(stored.document):
        return overview
    if stored.applied is None or not _is_whole(stored.applied):
        raise unreadable(str(stored.key))
    applied = {trigger["name"]: trigger for trigger in stored.applied["spec"]["triggers"]}
    triggers = [
        replace(t, document=applied[t.name]) for t in overview.triggers if t.name in applied
    ]
    return replace(
        overview, stored=replace(stored, document=stored.applied), triggers=tuple(triggers)
    )


def _is_whole(document: Document) -> bool:
    """Whether it is a manifest with nothing left out, as we write all of them."""
    try:
        whole = Autopilot.model_validate(document).document()
    except ValueError:
        return False
    spec, stated = whole["spec"], document["spec"]
    pairs = [(spec, stated), *zip(spec["triggers"], stated["triggers"], strict=True)]
    return all(full.keys() <= other.keys() for full, other in pairs)


def _card(
    tx: Tx, visit: Visit, trigger: ShownTrigger, standing: Standing, now: datetime
) -> TriggerCard:
    url, deliveries = None, []
    if trigger.kind == "webhook":
        deliveries = list_deliveries(tx, DeliveryFilter(trigger_id=trigger.id), limit=DELIVERIES)
        if visit.caller.may(Role.OPERATOR):
            url = webhook_url(visit.context, trigger)
    fires = trigger.enabled and not isinstance(standing, NotInForce)
    coming = forecast(trigger.id, trigger.document, now, COMING) if fires else []
    return TriggerCard(trigger, coming, url, deliveries)


async def run(visit: Visit) -> Response:
    """Start a run by hand, then show it; what cannot be started is told beside the form."""
    id_, form = await _seen(visit), visit.form
    try:
        order = Order(
            autopilot_id=id_,
            actor=visit.caller.name,
            trigger=form.get("trigger") or None,
            payload=_payload(form.get("payload", "")),
            force="force" in form,
            idempotency_key=visit.idempotency_key,
        )
        started: Run = await asyncio.to_thread(visit.context.launcher.launch, order)
    except BodyError as error:
        return await _shown(visit, f"the payload is not JSON: {error}", error.status)
    except Conflict as error:
        # The form as it is shown now has a key of its own, so the next press starts a run.
        why = REUSED if error.reason == "idempotency-key-reused" else str(error)
        return await _shown(visit, why, 409)
    return see_other(f"/runs/{started.id}")


def _payload(text: str) -> Json:
    return parse_json(text.encode()) if text.strip() else None


async def pause(visit: Visit) -> Response:
    """Pause, with the reason of the form."""
    id_ = await _seen(visit)
    reason = visit.form.get("reason", "").strip()[:500] or None
    database = visit.context.database
    await database.awrite(
        lambda tx: switches.pause(tx, id_, visit.caller.name, reason, database.now(tx))
    )
    return see_other(f"/autopilots/{id_}")


async def resume(visit: Visit) -> Response:
    """Lift the pause and the breaker."""
    id_ = await _seen(visit)
    database = visit.context.database
    await database.awrite(lambda tx: switches.resume(tx, id_, database.now(tx)))
    return see_other(f"/autopilots/{id_}")


async def _seen(visit: Visit) -> str:
    """The id of the path, if the caller may know of it. Raises NotFound."""
    id_ = visit.path["id"].lower()
    await visit.context.database.aread(lambda tx: require_autopilot(tx, id_, visit.caller))
    return id_
