"""docs/errors.md against the codes: every code explained, every example true."""

import re
from pathlib import Path

import pytest

from reconciler.core.base.codes import MEANINGS, WARNINGS, Code
from tests.support.builders import problems_of, warnings_of

ERRORS = (Path(__file__).parents[3] / "docs/errors.md").read_text(encoding="utf-8")
SECTIONS = dict(
    re.findall(r"^## `([a-z0-9-]+)`\n(.*?)(?=^##? |\Z)", ERRORS, re.MULTILINE | re.DOTALL)
)
EXAMPLES = {
    code: example[1]
    for code, section in SECTIONS.items()
    if (example := re.search(r"```yaml\n(.*?)```", section, re.DOTALL))
}
WITHOUT_EXAMPLE = {
    Code.FILE_UNREADABLE,
    Code.FILE_SPECIAL,
    Code.FILE_LINK,
    Code.FILE_NAME,
    Code.FILE_TOO_LARGE,
    Code.FILE_ENCODING,
    Code.FILE_CHARACTER,
    Code.YAML_DEPTH,
    Code.YAML_NUMBER,
    Code.COMMAND_NOT_ALLOWED,
    Code.FILE_KUSTOMIZATION,
    Code.VARIABLE_NOT_ALLOWED,
    Code.FOLDER_NOT_ALLOWED,
    Code.CHANNEL_UNKNOWN,
    Code.CHANNEL_NOT_ALLOWED,
    Code.CHANNEL_UNCHECKED,
}


def test_every_code_has_a_heading_in_the_order_of_the_table() -> None:
    assert list(SECTIONS) == [code.value for code in Code]


@pytest.mark.parametrize("code", Code)
def test_a_section_starts_with_the_meaning_and_says_how_to_fix_it(code: Code) -> None:
    paragraphs = SECTIONS[code].strip().split("\n\n")
    assert paragraphs[0] == MEANINGS[code]
    assert not paragraphs[-1].startswith("```")


def test_what_has_no_example_cannot_have_one() -> None:
    assert {code for code in Code if code not in EXAMPLES} == WITHOUT_EXAMPLE


@pytest.mark.parametrize("code", EXAMPLES)
def test_an_example_has_its_problem(code: str) -> None:
    if code in WARNINGS:
        assert code in [warning.code for warning in warnings_of(EXAMPLES[code])]
    else:
        assert code in [problem.code for problem in problems_of(EXAMPLES[code])]
