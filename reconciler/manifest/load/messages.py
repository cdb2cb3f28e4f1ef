"""What pydantic reports, as sentences that say what was found, what is allowed, how to fix it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from reconciler.core.base.codes import Code
from reconciler.core.base.near import NearMisses, listed, shown, vocabulary
from reconciler.core.base.units import format_size
from reconciler.core.manifest.checks.finding import At, Finding
from reconciler.core.manifest.model import API_VERSION
from reconciler.core.manifest.runtime import Runtime
from reconciler.core.manifest.trigger import TriggerKind, WebhookTrigger
from reconciler.manifest.load import hints
from reconciler.manifest.load.loc import Loc
from reconciler.manifest.load.shape import KEY_MARK, bounds, field_names, tags, walk

SERVER_OWNED = frozenset(
    {
        "id", "origin", "status", "createdAt", "createdBy", "updatedAt", "lastRunAt", "nextRunAt",
        "lastFiredAt", "webhookToken", "health", "breaker",
    }
)  # fmt: skip
"""What the server knows and a manifest cannot say."""
_SECRET_FIELDS = frozenset({"token", "secret", "secrets"})
_CODES = frozenset(code.value for code in Code)
_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'")
_TAGS = {"kind": tuple(TriggerKind), "type": tags(Runtime)}


@dataclass(frozen=True, slots=True)
class _Error:
    """One error of pydantic: where, of which type, over which value, in which model."""

    loc: Loc
    type: str
    value: Any
    context: dict[str, Any]
    holder: Any
    on_key: bool
    sentence: str
    near_misses: NearMisses

    @property
    def field(self) -> str:
        return str(self.loc[-1]) if self.loc else ""


def finding_of(model: type[BaseModel], details: ErrorDetails, near_misses: NearMisses) -> Finding:
    """One error of validating a manifest's value, as a Finding."""
    loc, holder = walk(model, details["loc"])
    error = _Error(
        loc=loc,
        type=details["type"],
        value=details["input"],
        context=details.get("ctx", {}),
        holder=holder,
        on_key=details["loc"][-1:] == (KEY_MARK,),
        sentence=details["msg"],
        near_misses=near_misses,
    )
    if loc == ("apiVersion",) and error.type == "literal_error":
        return wrong_version(error.value)
    return _MESSAGES.get(error.type, _other)(error)


def wrong_version(value: Any) -> Finding:
    """The Finding of another apiVersion than ours."""
    what = shown(value) if isinstance(value, str) else in_words(value)
    message = f"unknown apiVersion {what}; write {API_VERSION}"
    return Finding(("apiVersion",), message, Code.API_VERSION)


def in_words(value: Any) -> str:
    """What was found, in words."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case int() | float():
            return f"the number {shown(str(value))[1:-1]}"
        case str():
            return f"the text {shown(value)}"
        case list() | tuple():
            return "a list"
        case _:
            return "a mapping"


def _missing(error: _Error) -> Finding:
    message = f"'{error.field}' is missing, it is required"
    if hint := hints.of_missing(error.field):
        message = f"{message}; {hint}"
    return Finding(error.loc, message, Code.FIELD_MISSING, At.PARENT)


def _unknown(error: _Error) -> Finding:
    name = error.field
    if _is_server_owned(error):
        message = f"{shown(name)} belongs to the server, which sets it; remove it"
        return Finding(error.loc, message, Code.FIELD_SERVER_OWNED, At.KEY)
    if known := hints.of_field(error.holder, name):
        message = f"unknown field {shown(name)}; {known}"
        return Finding(error.loc, message, Code.FIELD_UNKNOWN, At.KEY)
    allowed = field_names(error.holder)
    hint = error.near_misses.did_you_mean(name, vocabulary(allowed))
    if not hint and not error.near_misses.exhausted:
        hint = f"; allowed: {', '.join(allowed)}"
    return Finding(error.loc, f"unknown field {shown(name)}{hint}", Code.FIELD_UNKNOWN, At.KEY)


def _is_server_owned(error: _Error) -> bool:
    camel = re.sub(r"_([a-z])", lambda letter: letter[1].upper(), error.field)
    return camel in SERVER_OWNED


def _type(expected: str, fix: Callable[[Loc, Any], str]) -> Callable[[_Error], Finding]:
    def say(error: _Error) -> Finding:
        if _SECRET_FIELDS.intersection(error.loc) and isinstance(error.value, str):
            return _literal_secret(error)
        message = f"expected {expected}, found {in_words(error.value)}{fix(error.loc, error.value)}"
        return Finding(error.loc, message, Code.FIELD_TYPE)

    return say


def _literal_secret(error: _Error) -> Finding:
    # The text is not repeated: it may be the secret, and this message goes to logs.
    message = (
        "expected a reference, {env: AUTOPILOT_SECRET_<WORKSPACE>__<NAME>} or {file: NAME}, "
        "found a text; a manifest never holds a secret"
    )
    return Finding(error.loc, message, Code.SECRET_LITERAL)


def _quote_it(_loc: Loc, value: Any) -> str:
    if isinstance(value, bool | int | float):
        return "; write it in quotes"
    return ""


def _unquote_it(_loc: Loc, value: Any) -> str:
    if isinstance(value, str) and re.fullmatch(r"[-+]?[0-9]{1,20}", value, re.ASCII):
        return "; write it without quotes"
    return "; write a whole number" if isinstance(value, float) else ""


def _true_or_false(_loc: Loc, value: Any) -> str:
    return "; write true or false" if isinstance(value, str | int) else ""


def _choice(error: _Error) -> Finding:
    allowed = _QUOTED.findall(str(error.context.get("expected", "")))
    return _not_allowed(error.loc, error.value, allowed, error.near_misses)


def _not_allowed(loc: Loc, value: Any, allowed: list[str], near_misses: NearMisses) -> Finding:
    if not isinstance(value, str):
        message = f"expected {listed(allowed)}, found {in_words(value)}"
        return Finding(loc, message, Code.FIELD_TYPE)
    hint = hints.of_value(str(loc[-1]), value) if loc else None
    hint = hint or near_misses.did_you_mean(value, vocabulary(tuple(allowed)))
    hint = hint or f"; allowed: {', '.join(allowed)}"
    return Finding(loc, f"unknown value {shown(value)}{hint}", Code.VALUE_UNKNOWN)


def _tag_invalid(error: _Error) -> Finding:
    name = _QUOTED.findall(error.context["discriminator"])[0]
    allowed = _QUOTED.findall(error.context["expected_tags"])
    return _not_allowed((*error.loc, name), error.value.get(name), allowed, error.near_misses)


def _tag_missing(error: _Error) -> Finding:
    name = _QUOTED.findall(error.context["discriminator"])[0]
    message = f"'{name}' is missing, it is required; allowed: {', '.join(_TAGS[name])}"
    return Finding((*error.loc, name), message, Code.FIELD_MISSING, At.PARENT)


def _range(error: _Error) -> Finding:
    least, most = bounds(error.holder, error.field)
    allowed = f"{least} to {most}" if most is not None else f"at least {least}"
    value = error.value
    if (error.holder, error.field) == (WebhookTrigger, "maxBody"):
        allowed, value = f"{least}B to {format_size(most)}", format_size(value)
    message = f"expected {allowed}, found {value}"
    return Finding(error.loc, message, Code.VALUE_RANGE)


def _length(noun: str) -> Callable[[_Error], Finding]:
    def say(error: _Error) -> Finding:
        least = error.context.get("min_length")
        most = error.context.get("max_length")
        bound = f"at least {least}" if least is not None else f"at most {most}"
        count = len(error.value)
        if not count and least == 1 and isinstance(error.value, str):
            return Finding(error.loc, "must not be empty", Code.VALUE_LENGTH)
        message = f"expected {bound} {noun}, found {count or 'none'}"
        return Finding(error.loc, message, Code.VALUE_LENGTH)

    return say


def _pattern(error: _Error) -> Finding:
    if error.on_key:
        characters = "'-' and '_'" if "headers" in error.loc else "'_'"
        message = (
            f"{shown(error.field)} cannot be a name here; use letters, digits and {characters}"
        )
        return Finding(error.loc, message, Code.VALUE_PATTERN, At.KEY)
    if error.field == "url":
        message = (
            f"expected a URL that starts with http:// or https://, found {in_words(error.value)}"
        )
        return Finding(error.loc, message, Code.URL_INVALID)
    message = f"{shown(error.value)} does not match {error.context.get('pattern')}"
    return Finding(error.loc, message, Code.VALUE_PATTERN)


def _other(error: _Error) -> Finding:
    code = error.type if error.type in _CODES else Code.FIELD_TYPE
    sentence = error.sentence.removeprefix("Value error, ")
    return Finding(error.loc, sentence, code, At.KEY if error.on_key else At.VALUE)


_mapping = _type("a mapping", hints.as_mapping)
_list = _type("a list", hints.as_list)
_MESSAGES: dict[str, Callable[[_Error], Finding]] = {
    "missing": _missing,
    "extra_forbidden": _unknown,
    "string_type": _type("a text", _quote_it),
    "int_type": _type("a whole number", _unquote_it),
    "bool_type": _type("true or false", _true_or_false),
    "model_type": _mapping,
    "model_attributes_type": _mapping,
    "dict_type": _mapping,
    "tuple_type": _list,
    "literal_error": _choice,
    "enum": _choice,
    "union_tag_invalid": _tag_invalid,
    "union_tag_not_found": _tag_missing,
    "greater_than_equal": _range,
    "greater_than": _range,
    "less_than_equal": _range,
    "less_than": _range,
    "string_too_short": _length("characters"),
    "string_too_long": _length("characters"),
    "too_short": _length("entries"),
    "too_long": _length("entries"),
    "string_pattern_mismatch": _pattern,
}
