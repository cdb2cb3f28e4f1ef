"""The fields that stand in folded sections, in the order of the schema, and what each means."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from reconciler.core.manifest.model import DeletionPolicy, OnApproval, QueueKeep
from reconciler.core.manifest.trigger import CatchUp, TriggerKind
from reconciler.web.pages.editor.field import Field
from reconciler.web.pages.editor.value import Kind


@dataclass(frozen=True, slots=True)
class Section:
    """Fields under one heading; `notify` also has the rows of who is told."""

    name: str
    title: str
    fields: Sequence[Field]

    @property
    def groups(self) -> Iterator[str]:
        """The objects that its fields are parts of, as a Problem names them."""
        return iter(dict.fromkeys(".".join(f.path[:-1]) for f in self.fields if len(f.path) > 2))


DESCRIPTION_FILE = Field(
    path=("spec", "descriptionFrom", "file"), label="In a file of its own", kind=Kind.LINE,
    example="prompts/triage.md",
    help="A new file below the folder of the manifest, which takes the text above; or one that is "
         "there already: leave the text above empty then.",
)  # fmt: skip
"""Beside the description, not in a section."""
_MEETING = Section("meeting", "Concurrency and queue", (
    Field(path=("spec", "concurrencyKey"), label="Count runs by", kind=Kind.EXPRESSION,
          example="payload.pull_request.number",
          help="An expression in CEL: only runs of the same key count against each other."),
    Field(path=("spec", "maxActive"), label="Most runs at once, over all keys", kind=Kind.NUMBER,
          help="1 to 1000."),
    Field(path=("spec", "queueLimit"), label="Most runs that wait", kind=Kind.NUMBER,
          help="1 to 1000, of each key; a further one is skipped."),
    Field(path=("spec", "queueTtl"), label="How long a run may wait", kind=Kind.LINE,
          help="Such as 30m, 12h or 1d; then it fails as expired."),
    Field(path=("spec", "queueKeep"), label="Which waiting runs are kept", kind=Kind.CHOICE,
          help="Only where runs that meet are queued.",
          options={QueueKeep.ALL: "each, up to the limit",
                   QueueKeep.NEWEST: "only the newest one of a key"}),
))  # fmt: skip
_FAILURES = Section("failures", "Timeout, retries and failures", (
    Field(path=("spec", "timeout"), label="Longest time of a run", kind=Kind.LINE,
          help="Such as 30m or 2h, from its admission; then it is stopped."),
    Field(path=("spec", "pauseAfterFailures"), label="Pause after failures in a row",
          kind=Kind.NUMBER, help="0 never pauses."),
    Field(path=("spec", "retry", "limit"), label="Second attempts", kind=Kind.NUMBER,
          help="0 to 10, where the agent could not be reached."),
    Field(path=("spec", "retry", "backoff"), label="Wait before the second attempt",
          kind=Kind.LINE, help="It doubles with each further attempt."),
    Field(path=("spec", "retry", "maxBackoff"), label="Longest wait between two attempts",
          kind=Kind.LINE, help="Such as 10m."),
))  # fmt: skip
_LIMITS = Section("limits", "Limits and budget", (
    Field(path=("spec", "limits", "perHour"), label="Most runs in any hour", kind=Kind.NUMBER,
          example="no limit", help="Further ones are skipped."),
    Field(path=("spec", "limits", "perDay"), label="Most runs in any 24 hours", kind=Kind.NUMBER,
          example="no limit", help="Further ones are skipped."),
    Field(path=("spec", "budget", "perRun"), label="Most dollars for a run", kind=Kind.AMOUNT,
          example="no budget", help="Such as 0.50; a run that costs more is stopped."),
    Field(path=("spec", "budget", "perDay"), label="Most dollars a day", kind=Kind.AMOUNT,
          example="no budget", help="Runs that could pass it are skipped."),
    Field(path=("spec", "budget", "perMonth"), label="Most dollars a month", kind=Kind.AMOUNT,
          example="no budget", help="Of the calendar; runs that could pass it are skipped."),
))  # fmt: skip
_AROUND = Section("around", "Checks before and after a run", (
    Field(path=("spec", "context"), label="What the agent learns of earlier runs",
          kind=Kind.LISTED, help="It stands in the prompt.",
          options={"": "nothing", "lastCompleted": "how the last completed one ended"}),
    Field(path=("spec", "precheck", "program"), label="A program that runs first",
          kind=Kind.PROGRAM, carries=True,
          help="Exit status 0 goes on, 10 means that there is nothing to do: no agent is asked."),
    Field(path=("spec", "precheck", "args"), label="Its arguments, one a line", kind=Kind.LINES,
          help="As they are; there is no shell."),
    Field(path=("spec", "precheck", "timeout"), label="How long it may take", kind=Kind.LINE,
          example="1m by default", help="Such as 30s."),
    Field(path=("spec", "expect"), label="What a good result is", kind=Kind.EXPRESSION,
          example='result.status == "ok"',
          help="An expression in CEL over result and run; anything but true is a failure."),
    Field(path=("spec", "resultSchema"), label="A JSON Schema that a good result fits",
          kind=Kind.TEXT, example='{"type": "object", "required": ["status"]}',
          help="As JSON text; a result that does not fit is a failure."),
    Field(path=("spec", "expectSchema", "file"), label="In a file of its own", kind=Kind.LINE,
          example="_schemas/labels.json",
          help="A new file, which takes the text above; or one that is there already: leave the "
               "text above empty then."),
))  # fmt: skip
_TOLD = Section("notify", "Notifications and approvals", (
    Field(path=("spec", "onApproval"), label="When an agent asks for permission",
          kind=Kind.CHOICE, help="In a run that nobody watches.",
          options={OnApproval.FAIL: "the run fails", OnApproval.WAIT: "it waits for a person"}),
))  # fmt: skip
_KEEPING = Section("keeping", "Labels and removal", (
    Field(path=("metadata", "labels"), label="Labels, one a line", kind=Kind.PAIRS,
          example="team=core", help="name=value, for filters."),
    Field(path=("spec", "deletionPolicy"), label="When it leaves its source",
          kind=Kind.CHOICE, help="Its runs are kept either way.",
          options={DeletionPolicy.ARCHIVE: "it is archived",
                   DeletionPolicy.PROTECT: "that is refused"}),
))  # fmt: skip
SECTIONS = (_MEETING, _FAILURES, _LIMITS, _AROUND, _TOLD, _KEEPING)

_WHEN = "An expression in CEL; without one it always fires."
_SCHEDULE = (
    Field(path=("when",), label="Only when", kind=Kind.EXPRESSION, help=_WHEN,
          example='lastRun == null || lastRun.status == "failed"'),
    Field(path=("jitter",), label="Spread the starts over", kind=Kind.LINE,
          help="Such as 5m: each occurrence fires up to so much later."),
    Field(path=("catchUp",), label="Occurrences that are late", kind=Kind.CHOICE,
          help="After a time in which no server ran.",
          options={CatchUp.LATEST: "the newest one starts", CatchUp.NONE: "none starts",
                   CatchUp.ALL: "each starts, in order"}),
    Field(path=("catchUpWindow",), label="How late one may start", kind=Kind.LINE,
          help="Such as 1h; older ones are recorded as missed."),
    Field(path=("startAt",), label="Not before", kind=Kind.LINE, example="2026-12-01T00:00:00Z",
          help="A moment with its offset."),
    Field(path=("endAt",), label="Not after", kind=Kind.LINE, example="2026-12-31T00:00:00Z",
          help="A moment with its offset."),
)  # fmt: skip
_WEBHOOK = (
    Field(path=("when",), label="Only when", kind=Kind.EXPRESSION, help=_WHEN,
          example='payload.ref == "refs/heads/main"'),
    Field(path=("signature", "tolerance"), label="How old a signed time may be", kind=Kind.LINE,
          example="5m by default", help="For senders who sign the time."),
    Field(path=("signature", "encoding"), label="How the signature is written", kind=Kind.CHOICE,
          help="Of hmac_sha256 only.",
          options={"": "hexadecimal, unless the scheme says otherwise", "hex": "hexadecimal",
                   "base64": "base 64"}),
    Field(path=("signature", "timeHeader"), label="Header with the signed time", kind=Kind.LINE,
          example="X-Timestamp", help="Of hmac_sha256 only."),
    Field(path=("signature", "signed"), label="What is signed", kind=Kind.LINE,
          example="{time}.{body}", help="Of hmac_sha256 with such a header."),
    Field(path=("maxBody",), label="Largest request", kind=Kind.LINE,
          help="Such as 64KiB; up to 25MiB."),
    Field(path=("replayWindow",), label="The same request again is a repeat within",
          kind=Kind.PERIOD, help="For senders who sign no time; 0 turns it off."),
)  # fmt: skip
_API = (
    Field(path=("when",), label="Only when", kind=Kind.EXPRESSION, help=_WHEN,
          example='payload.severity == "high"'),
)  # fmt: skip
TRIGGER_FIELDS: Mapping[str, Sequence[Field]] = {
    TriggerKind.SCHEDULE: _SCHEDULE,
    TriggerKind.WEBHOOK: _WEBHOOK,
    TriggerKind.API: _API,
}
"""Of each kind of trigger: the first one stands open, the others are folded."""
