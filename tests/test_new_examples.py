"""`make soak` tries new examples of every property: those that carry the mark `hypothesis`.

The plugin marks tests that are properties; one that has a property within has to say so itself.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parent
SAME_EXAMPLES = {"web/test_description.py"}
"""Its requests are always the same: `derandomize` stands with it."""


def test_every_property_within_a_test_is_tried_with_new_examples() -> None:
    unmarked = [
        f"{path.relative_to(TESTS)}: {test.name} needs @pytest.mark.hypothesis"
        for path in sorted(TESTS.rglob("test_*.py"))
        if "@given(" in (text := path.read_text()) and _name(path) not in SAME_EXAMPLES
        for test in _tests(ast.parse(text))
        if _has_property_within(test) and not _decorated(test, "pytest.mark.hypothesis")
    ]
    assert unmarked == []


def _name(path: Path) -> str:
    return path.relative_to(TESTS).as_posix()


def _tests(tree: ast.AST) -> Iterator[ast.FunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node


def _has_property_within(test: ast.FunctionDef) -> bool:
    within = [node for node in ast.walk(test) if isinstance(node, ast.FunctionDef)]
    return any(_decorated(node, "given") for node in within if node is not test)


def _decorated(function: ast.FunctionDef, name: str) -> bool:
    return any(ast.unparse(each).partition("(")[0] == name for each in function.decorator_list)
