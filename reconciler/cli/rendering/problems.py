"""Problems as text for people, JSON for programs, annotations for GitHub, SARIF for scanners."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from reconciler import __version__
from reconciler.core.base.codes import MEANINGS, WARNINGS, Code
from reconciler.core.base.errors import Problem
from reconciler.core.base.safe_text import escaped

Format = Literal["text", "json", "github", "sarif"]
_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_DOCS = "docs/errors.md"


def render(problems: Iterable[Problem], form: Format, warnings: Iterable[Problem] = ()) -> str:
    """All of them in path and line order, in one `Format`; ends with a line break.

    None are an empty text in `text` and `github`, and empty lists in the other two.
    """
    return _FORMATS[form](sorted([*problems, *warnings]))


def below(problems: Iterable[Problem], folder: str) -> list[Problem]:
    """The problems with their paths seen from where `folder` is seen, so that links work.

    `folder` is the path that was given on the command line; `.` and `-` change nothing.
    """
    prefix = "" if folder in (".", "./", "-", "") else folder.rstrip("/") + "/"
    return [replace(problem, path=prefix + problem.path) for problem in problems]


def from_here(problems: Iterable[Problem], argument: str) -> list[Problem]:
    """As `below`, for a path of the command line that may also be a file."""
    path = Path(argument)
    return below(problems, str(path.parent) if path.is_file() else argument)


def _text(problems: Sequence[Problem]) -> str:
    return "".join(f"{escaped(_line(problem))}\n" for problem in problems)


def _line(problem: Problem) -> str:
    if problem.code not in WARNINGS:
        return str(problem)
    where = f"{problem.path}:{problem.line}:{problem.column}"
    return f"{where}: warning:{str(problem).removeprefix(where + ':')}"


def _json(problems: Sequence[Problem]) -> str:
    warnings = [_entry(problem) for problem in problems if problem.code in WARNINGS]
    errors = [_entry(problem) for problem in problems if problem.code not in WARNINGS]
    return _dumped({"formatVersion": 1, "problems": errors, "warnings": warnings})


def _entry(problem: Problem) -> dict[str, Any]:
    return {
        "path": problem.path,
        "line": problem.line,
        "column": problem.column,
        "field": problem.field,
        "message": problem.message,
        "code": str(problem.code),
    }


def _github(problems: Sequence[Problem]) -> str:
    return "".join(f"{_annotation(problem)}\n" for problem in problems)


def _annotation(problem: Problem) -> str:
    """A workflow command of GitHub Actions; what is not escaped would end it or start another."""
    properties = {
        "file": problem.path,
        "line": str(problem.line),
        "col": str(problem.column),
        "title": str(problem.code),
    }
    listed = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    message = f"{problem.field}: {problem.message}" if problem.field else problem.message
    return f"::{_level(problem)} {listed}::{_data(f'{message} [{problem.code}]')}"


def _level(problem: Problem) -> str:
    return "warning" if problem.code in WARNINGS else "error"


def _data(text: str) -> str:
    return escaped(text).replace("%", "%25")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _sarif(problems: Sequence[Problem]) -> str:
    codes = sorted({str(problem.code) for problem in problems})
    driver = {
        "name": "reconciler",
        "version": __version__,
        "rules": [_rule(code) for code in codes],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(problem, codes) for problem in problems],
    }
    return _dumped({"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]})


def _rule(code: str) -> dict[str, Any]:
    meaning = MEANINGS[Code(code)]
    return {
        "id": code,
        "shortDescription": {"text": meaning},
        "help": {"text": f"{meaning} See {_DOCS}#{code}."},
    }


def _result(problem: Problem, codes: Sequence[str]) -> dict[str, Any]:
    place = {
        "artifactLocation": {"uri": quote(problem.path.encode("utf-8", "backslashreplace"))},
        "region": {"startLine": problem.line, "startColumn": problem.column},
    }
    message = f"{problem.field}: {problem.message}" if problem.field else problem.message
    return {
        "ruleId": str(problem.code),
        "ruleIndex": codes.index(problem.code),
        "level": _level(problem),
        "message": {"text": message},
        "locations": [{"physicalLocation": place}],
    }


def _dumped(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


_FORMATS: dict[Format, Callable[[Sequence[Problem]], str]] = {
    "text": _text,
    "json": _json,
    "github": _github,
    "sarif": _sarif,
}
