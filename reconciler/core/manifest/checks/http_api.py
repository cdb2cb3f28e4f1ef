"""The templates of an `http` runtime: their expressions, their places, and what goes together."""

import json
from collections.abc import Iterator
from functools import lru_cache

from reconciler.core.base.codes import Code
from reconciler.core.base.near import did_you_mean, shown
from reconciler.core.manifest.checks.expressions import with_place
from reconciler.core.manifest.checks.finding import At, Finding, Loc
from reconciler.core.manifest.checks.raw import Raw, mapping, text

_RUNTIME: Loc = ("spec", "runtime")
_LATER = ("follow", "cancel", "find")
PLACEHOLDER = "x"
"""What stands for a value where an address or a body is looked at before there is one."""


def http_api_findings(runtime: Raw) -> Iterator[Finding]:
    """Everything wrong with how an `http` runtime speaks to an API that is not ours."""
    yield from _together(runtime)
    yield from _request(runtime)
    yield from _expressions((*_RUNTIME, "follow"), mapping(runtime.get("follow")), runtime)
    names = mapping(mapping(runtime.get("find")).get("handle"))
    yield from _handles((*_RUNTIME, "find", "handle"), names)
    yield from _same_names(runtime, names)
    for field, url in addresses(runtime):
        loc = (*_RUNTIME, *field)
        yield from _template(loc, url, _scope_of(field[0]), runtime)
        if (example := filled_in(url)) is not None and (bad := _misplaced(url, example)):
            yield Finding(loc, bad, Code.URL_INVALID)


def addresses(runtime: Raw) -> Iterator[tuple[Loc, str]]:
    """The addresses of a runtime, `url` first; each with its place below `spec.runtime`."""
    if (url := text(runtime.get("url"))) is not None:
        yield ("url",), url
    for field in _LATER:
        if (url := text(mapping(runtime.get(field)).get("url"))) is not None:
            yield (field, "url"), url


def filled_in(url: str) -> str | None:
    """Return an address as it will be, but for its values; None where its placeholders are wrong.

    Whatever a value is, it is percent-encoded and changes no other part.
    """
    if "{{" not in url:
        return url
    parts = _parts(url)
    return None if parts is None else PLACEHOLDER.join(parts)


def _together(runtime: Raw) -> Iterator[Finding]:
    request = runtime.get("request")
    if request is None:
        for field in _LATER:
            if runtime.get(field) is not None:
                message = (
                    f"'{field}' goes with 'request': without it a run is posted by the protocol of "
                    "docs/runtimes.md#http, and reports its end itself; add request: {body: …}"
                )
                yield Finding((*_RUNTIME, field), message, Code.RUNTIME_OPTION, At.KEY)
        if "{{" in (text(runtime.get("url")) or ""):
            message = "placeholders go with 'request'; add request: {body: …}"
            yield Finding((*_RUNTIME, "url"), message, Code.RUNTIME_OPTION)
        return
    done = mapping(request).get("done", "follow")
    loc: Loc = (*_RUNTIME, "request")
    if done == "follow" and runtime.get("follow") is None:
        message = (
            "'done: follow' needs 'follow: {url, status}', which says how the work ends; where "
            "the answer is the end write done: response, where nobody can ask write done: accepted"
        )
        yield Finding(loc, message, Code.RUNTIME_OPTION)
    if done in ("response", "accepted") and runtime.get("follow") is not None:
        message = f"nothing is followed where 'done' is '{done}'; remove it, or write done: follow"
        yield Finding((*_RUNTIME, "follow"), message, Code.RUNTIME_OPTION, At.KEY)
    if done == "response" and runtime.get("find") is not None:
        message = "an answer that was lost cannot be found; remove it, or write done: follow"
        yield Finding((*_RUNTIME, "find"), message, Code.RUNTIME_OPTION, At.KEY)


def _request(runtime: Raw) -> Iterator[Finding]:
    request, loc = mapping(runtime.get("request")), (*_RUNTIME, "request")
    yield from _handles((*loc, "handle"), mapping(request.get("handle")))
    for name, value in mapping(request.get("headers")).items():
        if (written := text(value)) is not None:
            yield from _template((*loc, "headers", name), written, "request", runtime)
    body = request.get("body")
    if body is None:
        return
    if request.get("method") == "GET":
        message = "a GET has no body; remove it, or write method: POST"
        yield Finding((*loc, "body"), message, Code.RUNTIME_OPTION)
    yield from _in_body((*loc, "body"), body, runtime)
    if isinstance(body, str) and (why := _no_json(body)) is not None:
        message = f"a body that is a text is JSON, but this is not: {why}; or write it as a mapping"
        yield Finding((*loc, "body"), message, Code.TEMPLATE_INVALID)


def _in_body(loc: Loc, value: object, runtime: Raw) -> Iterator[Finding]:
    match value:
        case str():
            yield from _template(loc, value, "request", runtime)
        case dict():
            for name, item in value.items():
                yield from _in_body((*loc, name), item, runtime)
        case list():
            for index, item in enumerate(value):
                yield from _in_body((*loc, index), item, runtime)


def _expressions(loc: Loc, follow: Raw, runtime: Raw) -> Iterator[Finding]:
    for field in ("status", "result", "usage"):
        if source := text(follow.get(field)):
            yield from _wrong_in((*loc, field), source, "answer", runtime)


def _handles(loc: Loc, handle: Raw) -> Iterator[Finding]:
    for name, value in handle.items():
        if source := text(value):
            yield from _wrong_in((*loc, name), source, "created", {})


def _same_names(runtime: Raw, sought: Raw) -> Iterator[Finding]:
    """What a search gives must be what the creation would have given."""
    handles = mapping(mapping(runtime.get("request")).get("handle"))
    loc: Loc = (*_RUNTIME, "find", "handle")
    for name in sought:
        if isinstance(name, str) and handles and name not in handles:
            hint = did_you_mean(name, handles) or f"; it has {', '.join(map(str, handles))}"
            message = f"request.handle has no {shown(name)}{hint}"
            yield Finding((*loc, name), message, Code.RUNTIME_OPTION, At.KEY)
    if sought and (missing := [name for name in handles if name not in sought]):
        message = f"request.handle also has {', '.join(map(str, missing))}: give it here too"
        yield Finding(loc, message, Code.RUNTIME_OPTION)


def _scope_of(field: object) -> str:
    return "handle" if field in ("follow", "cancel") else "request"


def _template(loc: Loc, written: str, use: str, runtime: Raw) -> Iterator[Finding]:
    if "{{" not in written:
        return
    if problems := _template_problems(written, use):
        yield from (Finding(loc, message, code) for message, code in problems)
        return
    for expression in _expressions_of(written):
        yield from _unknown_handles(loc, expression, runtime)


def _wrong_in(loc: Loc, source: str, use: str, runtime: Raw) -> Iterator[Finding]:
    if problems := _expression_problems(source, use):
        yield from (Finding(loc, message, code) for message, code in problems)
    else:
        yield from _unknown_handles(loc, source, runtime)


def _unknown_handles(loc: Loc, source: str, runtime: Raw) -> Iterator[Finding]:
    handles = mapping(mapping(runtime.get("request")).get("handle"))
    for name in _handles_read(source):
        if name not in handles:
            known = ", ".join(map(str, handles)) or "nothing"
            hint = did_you_mean(name, handles) or f"; it keeps {known}"
            message = f"request.handle keeps no {shown(name)}{hint}"
            yield Finding(loc, message, Code.VARIABLE_UNKNOWN)


@lru_cache(maxsize=4096)
def _template_problems(written: str, use: str) -> tuple[tuple[str, str], ...]:
    # Imported here, as all of CEL: the library takes longer to import than most commands to run.
    from reconciler.core.manifest.http_api import MAX_TEXT
    from reconciler.core.manifest.template import template_problems

    errors = template_problems(written, _variables(use), MAX_TEXT)
    return tuple((with_place(error.message, error.offset), error.code) for error in errors)


@lru_cache(maxsize=4096)
def _expression_problems(source: str, use: str) -> tuple[tuple[str, str], ...]:
    from reconciler.core.cel import problems_of

    errors = problems_of(source, variables=_variables(use))
    return tuple((with_place(error.message, error.offset), error.code) for error in errors)


def _variables(use: str) -> frozenset[str]:
    from reconciler.core.cel import ANSWER_VARIABLES, HANDLE_VARIABLES, REQUEST_VARIABLES

    return {
        "request": REQUEST_VARIABLES,
        "handle": HANDLE_VARIABLES,
        "created": ANSWER_VARIABLES - {"handle"},
        "answer": ANSWER_VARIABLES,
    }[use]


@lru_cache(maxsize=4096)
def _expressions_of(written: str) -> tuple[str, ...]:
    from reconciler.core.manifest.placeholders import expressions_in

    return tuple(expressions_in(written))


@lru_cache(maxsize=4096)
def _handles_read(source: str) -> tuple[str, ...]:
    from reconciler.core.cel import ANSWER_VARIABLES, compile_expression

    reads = compile_expression(source, variables=ANSWER_VARIABLES).reads
    return tuple(sorted(path[1] for path in reads if path[0] == "handle" and len(path) > 1))


@lru_cache(maxsize=4096)
def _parts(url: str) -> tuple[str, ...] | None:
    """The texts around the placeholders of an address, empty ones included."""
    from reconciler.core.cel import ExpressionError
    from reconciler.core.manifest.placeholders import template

    try:
        parts = template(url).parts
    except ExpressionError:
        return None
    texts = [""]
    for part in parts:
        if isinstance(part, str):
            texts[-1] += part
        else:
            texts.append("")
    return tuple(texts)


def _misplaced(url: str, example: str) -> str | None:
    first = (_parts(url) or (url,))[0] if "{{" in url else url
    if first != url and not _has_path(first):
        return (
            "a placeholder may stand in the path and the query of an address, not in its host; "
            "write the host out, up to the '/' behind it"
        )
    if any(character.isspace() for character in example):
        return "there is a blank in this address outside of its placeholders; write %20"
    return None


def _has_path(beginning: str) -> bool:
    return "/" in beginning.partition("://")[2]


def _no_json(body: str) -> str | None:
    """Return why a body would be no JSON, whatever its values are; None where it is fine."""
    from reconciler.core.cel import ExpressionError
    from reconciler.core.manifest.placeholders import body as filled_body

    try:
        filled_body(body, dict.fromkeys(_expressions_of(body), PLACEHOLDER))
    except ExpressionError:
        return None  # reported beside this
    except json.JSONDecodeError as error:
        return f"{error.msg} (character {error.pos + 1})"
    except (ValueError, RecursionError):
        return "it cannot be read"
    return None
