"""The title and the concurrency key of a run, evaluated before any transaction begins."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from reconciler.control.evaluation.evaluator import Evaluator, Failed
from reconciler.core.calendar.schedule import local_time
from reconciler.core.cel import event_scope, title_scope
from reconciler.core.manifest.fields import format_instant
from reconciler.core.manifest.template import cut_title
from reconciler.core.runs.key import key_note, own_key
from reconciler.core.runs.live import LiveAutopilot
from reconciler.core.runs.run import Json, Source

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a run's expressions may read. `trigger` is its canonical JSON; None for a hand.

    `at` is the nominal moment of a schedule, else the moment of the trigger.
    """

    run_id: str
    source: Source
    at: datetime
    trigger: Mapping[str, Json] | None = None
    payload: Json = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A title of one line and a key; the key is empty where the autopilot has none.

    `note` is for the run: why it has a key of its own.
    """

    title: str
    key: str
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Titles:
    """Evaluates `issueTitleTemplate` and `concurrencyKey`. What fails is logged and does without:

    the title is then the autopilot's, and the run stands alone under a key of its own: under one
    key for all that fail, `replace` would let them stop one another.
    """

    evaluator: Evaluator

    def prepare(self, live: LiveAutopilot, facts: Facts) -> Prepared:
        """Blocks for a bounded time; call it from a thread."""
        if not needs_evaluation(live):
            return unevaluated(live)
        event = event_scope(
            live.document(), facts.trigger, payload=facts.payload, headers=facts.headers
        )
        return Prepared(self._title(live, facts, event), *self._key(live, facts, event))

    def _title(self, live: LiveAutopilot, facts: Facts, event: Mapping[str, Json]) -> str:
        if live.template is None:
            return cut_title(live.title)
        scheduled = facts.source is Source.SCHEDULE
        timezone = (facts.trigger or {}).get("timezone") or "UTC"
        scope = title_scope(
            event,
            run_id=facts.run_id,
            source=facts.source,
            local=local_time(facts.at, timezone),
            scheduled_for=format_instant(facts.at) if scheduled else None,
        )
        result = self.evaluator.title(live.template, scope)
        if isinstance(result, Failed):
            log.warning(
                "title not evaluated", autopilot=live.id, run=facts.run_id, why=result.message
            )
            return cut_title(live.title)
        return str(result.value)

    def _key(
        self, live: LiveAutopilot, facts: Facts, event: Mapping[str, Json]
    ) -> tuple[str, str | None]:
        """The key, and the note of a run whose key could not be evaluated."""
        if live.key_expression is None:
            return "", None
        result = self.evaluator.key(live.key_expression, event)
        if isinstance(result, Failed):
            log.warning(
                "key not evaluated", autopilot=live.id, run=facts.run_id, why=result.message
            )
            return own_key(facts.run_id), key_note(result.message)
        return str(result.value), None


def unevaluated(live: LiveAutopilot) -> Prepared:
    """The title and the key of an autopilot without expressions."""
    return Prepared(cut_title(live.title), "")


def needs_evaluation(live: LiveAutopilot) -> bool:
    """Whether an expression must be evaluated for its runs: `prepare` may block then."""
    return live.template is not None or live.key_expression is not None
