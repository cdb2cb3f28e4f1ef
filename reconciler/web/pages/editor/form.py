"""The form of an autopilot: its fields become a manifest, over the manifest that it began with.

What the form does not show stays as it is. A value of the wrong kind goes into the manifest as it
came, so that the check of manifests says what is wrong with it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from reconciler.core.manifest.defaults import autopilot_defaults, trigger_defaults
from reconciler.core.manifest.model import API_VERSION
from reconciler.core.manifest.model import Kind as ObjectKind
from reconciler.core.manifest.state import Document
from reconciler.core.manifest.trigger import Scheme, TriggerKind
from reconciler.core.webhooks.schemes import SCHEMES
from reconciler.web.pages.editor.field import Field, without
from reconciler.web.pages.editor.rules import rules_in, with_new_rule, with_rules, without_rule_at
from reconciler.web.pages.editor.sections import DESCRIPTION_FILE, SECTIONS, TRIGGER_FIELDS
from reconciler.web.pages.editor.value import Kind, same

Fields = Mapping[str, str]
SCHEDULES = ("cron", "every", "at")
_PLAIN = ("executionMode", "concurrencyPolicy", "status")
_OPTIONAL = ("issueTitleTemplate",)
_SIGNING = ("header", "prefix")
_MOST_TRIGGERS = 100
"""Triggers that a form may carry: more than a manifest may have, so that its check says so."""
_MOST_ROWS = 200
"""The same of the rows of who is told."""
_NUMBER = re.compile(r"\d{1,9}", re.ASCII)


def empty(workspace: str, assignee: str) -> Document:
    """The manifest that a new one begins with."""
    return {
        "apiVersion": API_VERSION,
        "kind": ObjectKind.AUTOPILOT.value,
        "metadata": {"name": "", "workspace": workspace},
        "spec": {"title": "", "assignee": _assignee(assignee), "triggers": []},
    }


def overlaid(base: Document, fields: Fields) -> Document:
    """The manifest with what the form says."""
    metadata, spec = dict(base["metadata"]), dict(base["spec"])
    for name in ("name", "workspace"):
        if name in fields:
            metadata[name] = fields[name].strip()
    if "title" in fields:
        spec["title"] = _line(fields["title"], spec.get("title"))
    if "description" in fields:
        spec["description"] = _text(fields["description"], spec.get("description"))
    if "assignee" in fields:
        spec["assignee"] = _assignee(fields["assignee"])
    if "maxConcurrency" in fields:
        spec["maxConcurrency"] = _number(fields["maxConcurrency"])
    spec |= {name: fields[name] for name in _PLAIN if name in fields}
    _set_optional(spec, fields, _OPTIONAL)
    spec = with_rules(spec, fields)
    spec["triggers"] = [
        _trigger(trigger, _own(fields, place))
        for place, trigger in enumerate(spec.get("triggers", ()))
    ]
    document = {**base, "metadata": metadata, "spec": spec}
    alike = chain([DESCRIPTION_FILE], *(section.fields for section in SECTIONS))
    laid = _laid(document, document, alike, fields, autopilot_defaults())
    if laid["spec"].get("descriptionFrom") and not laid["spec"].get("description"):
        return without(laid, ("spec", "description"))
    return laid


def _laid(
    base: Document,
    document: Document,
    alike: Iterable[Field],
    fields: Fields,
    defaults: Document,
) -> Document:
    """With the fields that were touched: the others show what `base` has, and change nothing."""
    for field in alike:
        text = fields.get(field.name)
        if text is not None and field.is_touched(base, defaults, text):
            document = field.laid(document, text)
    return document


def is_shaped(document: Any) -> bool:
    """Whether a document has the parts that the form goes into, whatever their values are."""
    if not isinstance(document, dict):
        return False
    metadata, spec = document.get("metadata"), document.get("spec")
    if not isinstance(metadata, dict) or not isinstance(spec, dict):
        return False
    triggers = spec.get("triggers", [])
    assignee = spec.get("assignee")
    texts = [spec.get(name, "") for name in ("description", *_OPTIONAL)]
    texts.append(spec.get("title"))
    texts += [metadata.get(name) for name in ("name", "workspace")]
    texts += [assignee.get(name) for name in ("type", "id")] if isinstance(assignee, dict) else []
    return (
        isinstance(triggers, list)
        and len(triggers) <= _MOST_TRIGGERS
        and isinstance(assignee, dict)
        and all(isinstance(text, str) for text in texts)
        and all(map(_is_trigger, triggers))
        and len(rules_in(spec)) <= _MOST_ROWS
        and all(isinstance(rule.get("on", []), list) for rule in rules_in(spec))
    )


def _is_trigger(trigger: Any) -> bool:
    if not isinstance(trigger, dict) or not isinstance(trigger.get("signature", {}), dict):
        return False
    signature = trigger.get("signature", {})
    texts = [trigger.get(name) for name in ("name", "kind")]
    texts += [trigger.get("label", "")]
    texts += [signature.get(name, "") for name in ("scheme", *_SIGNING)]
    secrets = signature.get("secrets", [])
    return (
        isinstance(secrets, list)
        and all(isinstance(secret, dict) for secret in secrets)
        and all(isinstance(text, str) for text in texts)
    )


def with_new_trigger(document: Document, kind: TriggerKind) -> Document:
    """The manifest with one trigger more, of a name that is free."""
    triggers = list(document["spec"].get("triggers", ()))
    names = {trigger.get("name") for trigger in triggers}
    numbered = (f"{kind}-{number}" for number in range(2, len(names) + 3))
    name = next(name for name in (kind.value, *numbered) if name not in names)
    new = {"name": name, "kind": kind.value, "enabled": True, **_begun(document, kind)}
    return _with_triggers(document, [*triggers, new])


def with_new_row(document: Document, channel: str) -> Document:
    """The manifest with one channel more that is told."""
    return {**document, "spec": with_new_rule(document["spec"], channel)}


def without_row_at(document: Document, place: int) -> Document:
    """The manifest without a channel that is told, if there is one at this place."""
    return {**document, "spec": without_rule_at(document["spec"], place)}


def without_trigger_at(document: Document, place: int) -> Document:
    """The manifest without its trigger at a place, if there is one."""
    triggers = list(document["spec"].get("triggers", ()))
    return _with_triggers(document, triggers[:place] + triggers[place + 1 :])


def with_change(document: Document, name: str, change: str) -> Document:
    """The manifest with one of its triggers enabled, disabled, or at a new URL (`rotate`)."""
    return _with_triggers(
        document,
        [
            {**trigger, **_change(trigger, change)} if trigger.get("name") == name else trigger
            for trigger in document["spec"].get("triggers", ())
        ],
    )


def _change(trigger: Document, change: str) -> Document:
    match change:
        case "enable" | "disable":
            return {"enabled": change == "enable"}
        case "rotate":
            return {"tokenGeneration": trigger.get("tokenGeneration", 1) + 1}
        case _:
            return {}


def secret_lines(trigger: Document) -> str:
    """The references to secrets of a webhook, each on a line, as the form has them."""
    return _secret_lines(trigger.get("signature", {}))


def _secret_lines(signature: Document) -> str:
    return "\n".join(_secret_line(secret) for secret in signature.get("secrets", ()))


def _begun(document: Document, kind: TriggerKind) -> Document:
    match kind:
        case TriggerKind.SCHEDULE:
            return {"cron": "0 9 * * MON-FRI", "timezone": "UTC"}
        case TriggerKind.WEBHOOK:
            workspace = str(document["metadata"].get("workspace", "default"))
            variable = f"AUTOPILOT_SECRET_{workspace.upper().replace('-', '_')}__WEBHOOK"
            return {"signature": {"scheme": "github", "secrets": [{"env": variable}]}}
        case TriggerKind.API:
            return {}


def _own(fields: Fields, place: int) -> Fields:
    prefix = f"t{place}."
    return {
        name.removeprefix(prefix): value
        for name, value in fields.items()
        if name.startswith(prefix)
    }


def _trigger(before: Document, fields: Fields) -> Document:
    if not fields:
        return before
    trigger = {**before, "name": fields.get("name", "").strip()}
    # A box that is not ticked is not sent.
    trigger["enabled"] = "enabled" in fields
    _set_optional(trigger, fields, ("label",))
    kind = str(trigger.get("kind"))
    if kind == TriggerKind.SCHEDULE:
        _set_schedule(trigger, fields)
    if kind == TriggerKind.WEBHOOK:
        trigger["signature"] = _signature(before.get("signature", {}), fields)
    alike = TRIGGER_FIELDS.get(kind, ())
    return _laid(before, trigger, alike, fields, trigger_defaults(kind))


def _set_schedule(trigger: Document, fields: Fields) -> None:
    kind = fields.get("schedule")
    if kind in SCHEDULES:
        for name in SCHEDULES:
            trigger.pop(name, None)
        trigger[kind] = fields.get("moment", "").strip()
    if "timezone" in fields:
        trigger["timezone"] = fields["timezone"].strip()


def _signature(before: Document, fields: Fields) -> Document:
    scheme = fields.get("scheme")
    is_same = before.get("scheme") == scheme
    if scheme == Scheme.NONE:
        return before if is_same else {"scheme": scheme}
    # What belongs to another scheme would be refused: only secrets go on.
    signature = dict(before) if is_same else {"secrets": before.get("secrets", [])}
    signature["scheme"] = scheme
    lines = fields.get("secrets", "")
    if not same(Kind.LINES, lines, _secret_lines(before)):
        signature["secrets"] = list(_secrets(before, lines))
    row = SCHEMES.get(str(scheme))
    for name in _SIGNING:
        untouched = same(Kind.LINE, fields.get(name, ""), before.get(name, ""))
        if not untouched or (row is not None and name in row.options):
            _set_optional(signature, fields, (name,))
    return signature


def _secrets(before: Document, lines: str) -> Iterator[Document]:
    """One for each line; one that was there keeps the times of its rotation."""
    known = {_secret_line(secret): secret for secret in before.get("secrets", ())}
    for line in filter(None, map(str.strip, lines.splitlines())):
        kind, colon, name = line.partition(":")
        if line in known:
            yield known[line]
        elif colon and kind.strip() in ("env", "file"):
            yield {kind.strip(): name.strip()}
        else:
            yield {"env" if line.startswith("AUTOPILOT_SECRET_") else "file": line}


def _secret_line(secret: Document) -> str:
    return f"env: {secret['env']}" if "env" in secret else f"file: {secret.get('file', '')}"


def _set_optional(target: dict[str, Any], fields: Fields, names: tuple[str, ...]) -> None:
    """What is left empty is not in the manifest."""
    for name in names:
        if name in fields and fields[name].strip():
            target[name] = _line(fields[name], target.get(name))
        elif name in fields:
            target.pop(name, None)


def _assignee(text: str) -> Document:
    kind, _, name = text.partition(":")
    return {"type": kind, "id": name}


def _number(text: str) -> int | str:
    return int(text) if _NUMBER.fullmatch(text.strip()) else text


def _line(text: str, before: str | None) -> str:
    """Without blanks around it, unless they, and line breaks, are all in which it differs."""
    if before is not None and same(Kind.LINE, before.strip(), text.strip()):
        return before
    return text.strip()


def _text(text: str, before: str | None) -> str:
    """Line breaks as LF, unless they are all in which it differs."""
    if before is not None and same(Kind.TEXT, text, before):
        return before
    return text.replace("\r\n", "\n")


def _with_triggers(document: Document, triggers: list[Document]) -> Document:
    return {**document, "spec": {**document["spec"], "triggers": triggers}}
