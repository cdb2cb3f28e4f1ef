"""One autopilot: its fields together."""

from collections.abc import Iterator

from reconciler.core.base.codes import Code
from reconciler.core.manifest.checks.expressions import expression_findings
from reconciler.core.manifest.checks.finding import Finding
from reconciler.core.manifest.checks.raw import Raw, mapping, text, triggers_of, workspace_of
from reconciler.core.manifest.checks.schedule import schedule_findings
from reconciler.core.manifest.checks.webhook import webhook_findings


def autopilot_findings(document: Raw) -> Iterator[Finding]:
    """Everything wrong with the fields of an autopilot together."""
    spec = mapping(document.get("spec"))
    yield from _queue_keep(spec)
    yield from _trigger_names(document)
    for loc, trigger in triggers_of(document):
        match trigger.get("kind"):
            case "schedule":
                yield from schedule_findings(loc, trigger, spec.get("concurrencyPolicy", "skip"))
            case "webhook":
                yield from webhook_findings(loc, trigger, workspace_of(document))
    yield from expression_findings(document)


def _queue_keep(spec: Raw) -> Iterator[Finding]:
    policy = spec.get("concurrencyPolicy", "skip")
    if spec.get("queueKeep") == "newest" and policy in ("skip", "replace"):
        message = f"newest needs concurrencyPolicy: queue, found {policy}: nothing else queues runs"
        yield Finding(("spec", "queueKeep"), message, Code.QUEUE_KEEP_QUEUE)


def _trigger_names(document: Raw) -> Iterator[Finding]:
    first: dict[str, int | str] = {}
    for loc, trigger in triggers_of(document):
        if (name := text(trigger.get("name"))) is None:
            continue
        if name in first:
            message = f"the name '{name}' is taken by spec.triggers[{first[name]}]"
            yield Finding((*loc, "name"), message, Code.TRIGGER_DUPLICATE)
        first.setdefault(name, loc[-1])
