"""Every function, class and constant of the code is used by the code: what only tests call goes."""

import ast
import io
import re
import tokenize
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.support.pages import ROOT, shown

MODULES = sorted((ROOT / "reconciler").rglob("*.py"))
CALLED_BY_OTHERS = {
    "list_commands",  # click asks a group for its commands
    "process_result_value",  # SQLAlchemy asks a type for a value's form
    "process_bind_param",
    "writable",  # io asks a stream
    "emit",  # logging asks a handler
    "wait_closed",  # asyncio and uvicorn call what stands in for their own classes
    "startup",
    "main_loop",
    "eof_received",
    "send_400_response",
    "_unsupported_upgrade_warning",
    "verify",  # what users of the package import, as `core.webhooks` and `core.calendar` offer it
    "next_after",
    "last_before",
}


@cache
def _mentions() -> Counter[str]:
    """How often each name stands in code, in templates, or in a text such as `module:function`."""
    found = Counter[str]()
    for path in MODULES:
        for token in tokenize.generate_tokens(io.StringIO(path.read_text("utf-8")).readline):
            if token.type == tokenize.NAME:
                found[token.string] += 1
            elif token.type == tokenize.STRING and token.string.startswith(("f", "rf")):
                for inserted in re.findall(r"\{([^{}]*)", token.string):
                    found.update(re.findall(r"\w+", inserted))
            elif token.type == tokenize.STRING and re.fullmatch(r'"[^"\n ]+"', token.string):
                found.update(re.findall(r"\w+", token.string))
    for path in [*(ROOT / "reconciler").rglob("*.html"), ROOT / "pyproject.toml"]:
        found.update(re.findall(r"\w+", path.read_text("utf-8")))
    return found


def _defined(path: Path) -> Iterator[tuple[int, str]]:
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() if (
                not node.decorator_list
            ):
                yield node.lineno, node.name
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield node.lineno, name


def test_nothing_is_there_for_tests_only() -> None:
    unused = [
        f"{shown(path)}:{line}: {name}"
        for path in MODULES
        if "migrations" not in path.parts
        for line, name in _defined(path)
        if not name.startswith("__") and name not in CALLED_BY_OTHERS and _mentions()[name] < 2
    ]
    assert not unused, "\n".join(unused)
