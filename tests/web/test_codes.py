"""docs/errors.md has every code that the server answers with, and its status; and no other."""

import ast
from collections import defaultdict
from collections.abc import Iterator

from reconciler.core.base.errors import ReconcilerError
from reconciler.core.calendar.errors import CronError, CronNeverFires, TimezoneError
from reconciler.web.http.problems import _HTTP_CODES, _STATUSES, problem_of
from tests.support.pages import ROOT, code, table

ERRORS = ROOT / "docs" / "errors.md"
PLACES = ("web", "control", "core", "store", "manifest")
UNREACHABLE = {
    "token-taken", "occurrence-claimed", "interval-recorded", "interval-open", "key-taken",
}  # fmt: skip
"""Constraints that only a mistake of ours could run into: a 500 in other words."""
ELSEWHERE = {"not-exportable", "git-failed", "error"}
"""Of commands, and the roots of the tree that nobody raises."""
Said = tuple[int, str]


def literals(call: ast.Call) -> tuple[list[object], dict[str | None, object]]:
    """The constants among the arguments; None stands for what is not one."""
    given: list[object] = [
        one.value if isinstance(one, ast.Constant) else None for one in call.args
    ]
    named: dict[str | None, object] = {
        one.arg: one.value.value for one in call.keywords if isinstance(one.value, ast.Constant)
    }
    return given, named


def calls(name: str) -> Iterator[ast.Call]:
    """Every call of a function or class of this name within the server."""
    for place in PLACES:
        for path in sorted((ROOT / "reconciler" / place).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
                    called = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
                    if called == name:
                        yield node


def answered() -> dict[str, set[int]]:
    """Every code that stands in the source, with the statuses that it comes with."""
    found: dict[str, set[int]] = defaultdict(set)
    for name in ("HttpProblem", "Problem", "problem"):
        for call in calls(name):
            match literals(call)[0]:
                case [int(status), str(word), *_]:
                    found[word].add(status)
    for call in calls("BodyError"):
        given, named = literals(call)
        of_this = given[2] if len(given) > 2 else named.get("status", 400)
        found[str(given[0])].add(int(str(of_this)))
    for name in ("Conflict", "__init__"):
        for call in calls(name):
            if reason := literals(call)[1].get("reason"):
                found[str(reason)].add(422 if reason == "idempotency-key-reused" else 409)
    return found


def raised() -> Iterator[Said]:
    """The codes of errors that are answered by their class."""
    for status, (word, _) in _HTTP_CODES.items():
        yield status, word
    for error in (CronError, CronNeverFires, TimezoneError):
        yield 400, error.code
    yield 400, "parameter-invalid"
    for kind in _subclasses(ReconcilerError):
        known = next((one for one in kind.__mro__ if one in _STATUSES), None)
        if known not in (None, ReconcilerError) and kind.code not in ELSEWHERE:
            yield _STATUSES[known], kind.code


def _subclasses(kind: type[ReconcilerError]) -> Iterator[type[ReconcilerError]]:
    for one in kind.__subclasses__():
        if one.__module__.startswith("reconciler."):
            yield one
            yield from _subclasses(one)


def test_every_code_is_documented_with_its_statuses() -> None:
    found = answered()
    for status, word in raised():
        found[word].add(status)
    expected = {word: status for word, status in found.items() if word not in ELSEWHERE}
    said = {
        code(row[0])[0]: {int(one) for one in row[1].split(",") if one.strip().isdigit()}
        for row in table(ERRORS, "code")
    }
    assert said.pop("http-error") == set()
    assert said.pop("name-taken") == {409}
    assert said == expected


def test_a_code_stands_there_once() -> None:
    words = [row[0] for row in table(ERRORS, "code")]
    assert len(set(words)) == len(words)
    assert not UNREACHABLE & {code(word)[0] for word in words}


def test_what_nobody_foresaw_is_internal() -> None:
    assert problem_of(ValueError("x")).code == "internal"
