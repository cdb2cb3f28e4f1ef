"""What is wrong with a parameter or a body, in words: what is allowed, and the near miss.

The value itself is never repeated: it may be a credential in the wrong place.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from reconciler.core.base.near import did_you_mean

NO_CONTROLS = r"^[^\x00-\x1f\x7f-\x9f]+$"
ASSIGNEE = r"^(agent|squad):[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
ID = r"^[0-9a-f-]{36}$"
_FORMS = {
    NO_CONTROLS: "must hold no control characters",
    ASSIGNEE: "must be agent:NAME or squad:NAME",
    ID: "must be an id",
}
"""What a pattern asks for, in words."""

Context = Mapping[str, Any]


def faults(error: ValidationError, allowed: Iterable[str] = ()) -> Iterable[dict[str, str]]:
    """Each fault as its `field` and a `message`; `allowed` are the names there are."""
    known = list(allowed)
    for fault in error.errors(include_url=False):
        where = ".".join(str(part) for part in fault["loc"]) or "(all)"
        if fault["type"] == "extra_forbidden":
            message = f"is not known{did_you_mean(str(fault['loc'][-1]), known)}"
        elif say := _SENTENCES.get(fault["type"]):
            message = say(fault.get("ctx", {}), fault["input"])
        else:
            message = fault["msg"].removeprefix("Value error, ")
        yield {"field": where[:200], "message": message}


def _one_of(context: Context, value: Any) -> str:
    words = context["expected"].replace("'", "").replace(" or ", ", ").split(", ")
    hint = did_you_mean(value, words) if isinstance(value, str) else ""
    return f"must be {context['expected']}{hint}"


def _form(context: Context, _value: Any) -> str:
    pattern = context["pattern"]
    return _FORMS.get(pattern, f"must match {pattern}")


def _plain(sentence: str) -> Callable[[Context, Any], str]:
    """A sentence with what the context holds put into it."""
    return lambda context, _value: sentence.format(**context)


_SENTENCES: dict[str, Callable[[Context, Any], str]] = {
    "missing": _plain("is missing"),
    "enum": _one_of,
    "literal_error": _one_of,
    "string_pattern_mismatch": _form,
    "greater_than": _plain("must be more than {gt:g}"),
    "greater_than_equal": _plain("must be at least {ge:g}"),
    "less_than": _plain("must be less than {lt:g}"),
    "less_than_equal": _plain("must be at most {le:g}"),
    "string_too_long": _plain("must have at most {max_length} characters"),
    "string_too_short": _plain("must not be empty"),
    "too_long": _plain("must have at most {max_length} entries"),
    "too_short": _plain("must not be empty"),
    **dict.fromkeys(
        ("int_parsing", "int_type", "int_from_float"), _plain("must be a whole number")
    ),
    **dict.fromkeys(("float_parsing", "float_type", "finite_number"), _plain("must be a number")),
    **dict.fromkeys(("bool_parsing", "bool_type"), _plain("must be true or false")),
    "string_type": _plain("must be a text"),
    "tuple_type": _plain("must be a list"),
    "model_type": _plain("must be an object"),
}
