"""The code speaks the field's words: no name, no sentence of a dialect that a reader must learn."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.support.pages import ROOT, shown

MODULES = sorted((ROOT / "reconciler").rglob("*.py"))
PAGES = sorted(
    page
    for page in [
        *(ROOT / "docs").rglob("*.md"),
        *ROOT.glob("*.md"),
        *(ROOT / "deploy").rglob("*.md"),
    ]
)

NAMES = {
    "asking": "request",
    "crew": "members",
    "door": "endpoint, router",
    "doors": "token cache",
    "doorway": "facade",
    "entrance": "router",
    "found": "what was found",
    "frugal": "bounded",
    "given": "what was given",
    "kept": "what is kept",
    "look": "poll, read, notify",
    "looked": "read",
    "looks": "polls",
    "mend": "fix",
    "mended": "fixed, suggestion",
    "one": "what it is: trigger, run, row",
    "otherbody": "KeyReused",
    "prove": "authenticate",
    "prover": "authenticator",
    "purse": "budget",
    "rest": "remaining",
    "said": "what was said",
    "some": "what they are",
    "station": "runner",
    "vault": "secrets",
    "wake": "notify",
}
"""Names of classes, functions, parameters and variables, lower case, and what to write instead."""

SENTENCES = {
    r"\b[Cc]ontract \d": "a page of docs/",
    r"\b[Dd]oor(s|way)?\b": "endpoint, router, facade",
    r"\b[Ee]ntrance\b": "router",
    r"\b[Ss]tations?\b": "runner",
    r"\b[Cc]rews?\b": "members",
    r"\b[Pp]urse\b": "budget",
    r"\b[Mm]end(s|ed|ing)?\b": "fix",
    r"\b[Aa]nswers? how (many|much)\b": "return the number of",
    r"(?<!there )\bis none\b": "is invalid, does not exist",
    r"\bnot to be had\b": "unavailable",
    r"\b[Pp]rocessor time\b": "CPU time",
    r"\binterpreter's lock\b": "GIL",
}
"""Phrases of docstrings, comments, messages and pages, and what to write instead."""


def _names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        match node:
            case (
                ast.ClassDef(name=name)
                | ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
            ):
                yield node.lineno, name
            case ast.arg(arg=name):
                yield node.lineno, name
            case ast.Name(id=name, ctx=ast.Store()):
                yield node.lineno, name


def _word(name: str) -> str:
    return name.strip("_").lower()


@pytest.mark.parametrize("folder", sorted({path.relative_to(ROOT).parts[1] for path in MODULES}))
def test_names_are_the_fields(folder: str) -> None:
    strange = [
        f"{shown(path)}:{line}: {name}: rather {NAMES[_word(name)]}"
        for path in MODULES
        if path.relative_to(ROOT).parts[1] == folder
        for line, name in _names(ast.parse(path.read_text("utf-8")))
        if _word(name) in NAMES
    ]
    assert not strange, "\n".join(strange)


def test_sentences_are_plain_english() -> None:
    strange = [
        f"{shown(path)}:{number}: {match[0]!r}: rather {instead}"
        for path in [*MODULES, *PAGES]
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        for phrase, instead in SENTENCES.items()
        if (match := re.search(phrase, line))
    ]
    assert not strange, "\n".join(strange)
