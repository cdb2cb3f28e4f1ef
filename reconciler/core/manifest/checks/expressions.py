"""The CEL of an autopilot: conditions, the concurrency key, titles, and what is expected."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Literal

from reconciler.core.manifest.checks.finding import Finding, Loc
from reconciler.core.manifest.checks.raw import Raw, mapping, text, triggers_of

_Use = Literal["condition", "moment", "call", "key", "title", "expectation"]
_USES: dict[str, _Use] = {
    "concurrencyKey": "key",
    "issueTitleTemplate": "title",
    "expect": "expectation",
}
_WHEN: dict[str | None, _Use] = {"schedule": "moment", "api": "call"}


def expression_findings(document: Raw) -> Iterator[Finding]:
    """Everything wrong with the expressions of an autopilot."""
    spec = mapping(document.get("spec"))
    for field, use in _USES.items():
        if field in spec:
            yield from _of(("spec", field), spec[field], use)
    for loc, trigger in triggers_of(document):
        if "when" in trigger:
            use = _WHEN.get(text(trigger.get("kind")), "condition")
            yield from _of((*loc, "when"), trigger["when"], use)


def _of(loc: Loc, value: object, use: _Use) -> Iterator[Finding]:
    if source := text(value):
        yield from (Finding(loc, message, code) for message, code in _wrong(source, use))


@lru_cache(maxsize=32_768)
def _wrong(source: str, use: _Use) -> tuple[tuple[str, str], ...]:
    # Imported here: the CEL library takes longer to import than most commands to run.
    from reconciler.core.cel import (
        CALL_VARIABLES,
        CONDITION_VARIABLES,
        EXPECT_VARIABLES,
        KEY_VARIABLES,
        MOMENT_VARIABLES,
        condition_problems,
        problems_of,
    )
    from reconciler.core.manifest.template import template_problems

    match use:
        case "title":
            errors = template_problems(source)
        case "key":
            errors = problems_of(source, variables=KEY_VARIABLES)
        case "condition":
            errors = condition_problems(source, variables=CONDITION_VARIABLES)
        case "moment":
            errors = condition_problems(source, variables=MOMENT_VARIABLES)
        case "call":
            errors = condition_problems(source, variables=CALL_VARIABLES)
        case "expectation":
            errors = condition_problems(source, variables=EXPECT_VARIABLES)
    return tuple((with_place(error.message, error.offset), error.code) for error in errors)


def with_place(message: str, offset: int) -> str:
    """The sentence with the place in the text that it is about."""
    return f"{message} (character {offset + 1})" if offset else message
