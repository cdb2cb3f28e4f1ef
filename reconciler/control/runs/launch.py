"""Runs by hand and by call: the same admission as all others; refused when not in force."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciler.clock import Ids
from reconciler.control.evaluation.moments import Moment, ask_when
from reconciler.control.evaluation.titles import Facts, Titles
from reconciler.control.runs.admit import Firing, admit_all, answered
from reconciler.control.unreadable import readable
from reconciler.core.base.errors import Conflict, NotFound, Unavailable
from reconciler.core.manifest.state import canonical
from reconciler.core.runs.live import LiveAutopilot
from reconciler.core.runs.run import Json, Run, Source
from reconciler.core.runs.standing import NotInForce, standing_of
from reconciler.core.webhooks.delivery_key import KEY_RETENTION, body_fingerprint
from reconciler.store.engine.database import Database, Tx
from reconciler.store.objects.triggers import NamedTrigger, list_triggers
from reconciler.store.runs.last import read_last_worked_on
from reconciler.store.runs.runs import get_run
from reconciler.store.webhooks.webhooks import SeenKey, seen_keys, use_keys

ATTEMPTS = 5
"""How often a run is judged anew because another one ended meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A run that somebody asks for. `trigger` names a trigger of the autopilot, or is None.

    `actor` is who asks; `force` passes policy and limits and is recorded on the run; `rerun_of` is
    the run that is repeated.
    """

    autopilot_id: str
    trigger: str | None = None
    payload: Json = None
    force: bool = False
    actor: str | None = None
    idempotency_key: str | None = None
    rerun_of: str | None = None

    def fingerprint(self) -> str:
        """What the same idempotency key must come with again."""
        asked = {"trigger": self.trigger, "payload": self.payload, "force": self.force}
        if self.rerun_of is not None:
            asked["rerunOf"] = self.rerun_of
        return body_fingerprint(canonical(asked).encode())


@dataclass(frozen=True, slots=True)
class Launcher:
    """What starting a run by hand needs."""

    database: Database
    titles: Titles
    ids: Ids
    cooldown: timedelta

    def launch(self, order: Order) -> Run:
        """Record a run; a live server dispatches it. Blocks; call it from a thread.

        Raises NotFound, and Conflict where the autopilot is not in force or its row cannot be read,
        the trigger is disabled, or the idempotency key was used for something else; Unavailable
        where its `when` cannot be evaluated now.
        """
        for _ in range(ATTEMPTS):
            if (run := self._launch(order)) is not None:
                return run
        raise Unavailable("runs end too often to judge this one by the last of them; try again")

    def _launch(self, order: Order) -> Run | None:
        """The run; None where another one ended between its `when` and its transaction."""
        firing, judged_by = self._prepare(order)

        def write(tx: Tx) -> Run | None:
            live = readable(tx, order.autopilot_id, lock=True)
            now = self.database.now(tx)  # after the row is held: see `admit_all`
            if (before := _before(tx, order, now)) is not None:
                return before
            standing = standing_of(live.switches, self.cooldown, now)
            if isinstance(standing, NotInForce) and (standing.final or not order.force):
                raise Conflict(_refusal(live, standing), reason="not-in-force")
            if judged_by is not None and judged_by != _last_id(_last(tx, live.id)):
                return None
            admit_all(tx, [firing], now, self.cooldown, {live.id: live})
            _remember(tx, order, firing.id, now)
            return _whole(tx, firing.id)

        return self.database.write(write)

    def _prepare(self, order: Order) -> tuple[Firing, str | None]:
        """Read, and evaluate title, key and `when`, before the transaction.

        Return the id of the run that `when` was asked with as well, empty where there was none;
        None where nothing was asked.
        """

        def read(tx: Tx) -> tuple[LiveAutopilot, list[NamedTrigger], datetime, Run | None]:
            live = readable(tx, order.autopilot_id)
            triggers = list_triggers(tx, order.autopilot_id)
            asks = any("when" in trigger.document for trigger in triggers)
            return live, triggers, self.database.now(tx), _last(tx, live.id) if asks else None

        live, triggers, now, last = self.database.read(read)
        trigger = _trigger(order, live, triggers)
        source = Source.API if trigger and trigger.kind == "api" else Source.MANUAL
        run_id = self.ids.new(now)
        facts = Facts(
            run_id=run_id,
            source=source,
            at=now,
            trigger=trigger.document if trigger else None,
            payload=order.payload,
        )
        # Expressions may take a while, so no transaction is open meanwhile.
        prepared = self.titles.prepare(live, facts)
        firing = Firing(
            id=run_id,
            autopilot_id=live.id,
            source=source,
            at=now,
            title=prepared.title,
            key=prepared.key,
            note=prepared.note,
            trigger_id=trigger.id if trigger else None,
            payload=order.payload,
            forced=order.force,
            actor=order.actor,
            rerun_of=order.rerun_of,
        )
        if trigger is None or source is not Source.API or order.force:
            return firing, None
        if "when" not in trigger.document:
            return firing, None
        moment = Moment(trigger=trigger.document, now=now, last=last, payload=order.payload)
        answer = ask_when(self.titles.evaluator, live.document(), moment)
        return answered(firing, answer), _last_id(last)


def _last(tx: Tx, autopilot_id: str) -> Run | None:
    return read_last_worked_on(tx, [autopilot_id])[autopilot_id]


def _last_id(last: Run | None) -> str:
    return last.id if last is not None else ""


def _trigger(
    order: Order, live: LiveAutopilot, triggers: list[NamedTrigger]
) -> NamedTrigger | None:
    if order.trigger is None:
        return None
    trigger = next((t for t in triggers if order.trigger in (t.name, t.id)), None)
    if trigger is None:
        names = ", ".join(sorted(t.name for t in triggers)) or "none"
        raise NotFound(
            f"{live.workspace}/{live.name} has no trigger {order.trigger!r}; it has: {names}"
        )
    if not trigger.enabled and not order.force:
        raise Conflict(f"the trigger {trigger.name} is disabled", reason="trigger-disabled")
    return trigger


def _refusal(live: LiveAutopilot, standing: NotInForce) -> str:
    hint = "" if standing.final else "; `--force` (in the API: `force`) runs it all the same"
    return f"{live.workspace}/{live.name} is not in force: {standing.why}{hint}"


def _before(tx: Tx, order: Order, now: datetime) -> Run | None:
    """The run that the same key made before. Raises Conflict where it was for something else."""
    if order.idempotency_key is None:
        return None
    scope, key = order.autopilot_id, f"run:{order.idempotency_key}"
    seen = seen_keys(tx, [(scope, key)], now).get((scope, key))
    if seen is None:
        return None
    if seen.body_sha256 != order.fingerprint():
        raise Conflict(
            "this Idempotency-Key was used for another request", reason="idempotency-key-reused"
        )
    return get_run(tx, seen.run_id)


def _remember(tx: Tx, order: Order, run_id: str, now: datetime) -> None:
    if order.idempotency_key is not None:
        key = f"run:{order.idempotency_key}"
        fingerprint = order.fingerprint()
        use_keys(
            tx, [SeenKey(order.autopilot_id, key, fingerprint, run_id, None, now + KEY_RETENTION)]
        )


def _whole(tx: Tx, run_id: str) -> Run:
    run = get_run(tx, run_id)
    if run is None:
        raise NotFound(f"there is no run {run_id}")
    return run
