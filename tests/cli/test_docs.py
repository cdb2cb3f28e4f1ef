"""docs/cli.md says what there is: every command, every option, every exit code."""

import re

import pytest

from reconciler.cli.main import COMMANDS
from reconciler.core.base.errors import ReconcilerError
from tests.support.pages import ROOT, code, options_of, table

PAGE = ROOT / "docs" / "cli.md"
_BELOW = {"webhook": "url", "token": "new"}
"""Commands of one command each, which have the options."""


def section(name: str) -> str:
    """The text of the page about a command."""
    text = PAGE.read_text()
    found = re.search(rf"^## {name}$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found is not None, f"docs/cli.md has no heading `## {name}`"
    return found[1]


def options(text: str) -> set[str]:
    """The options that the tables of a text list."""
    rows = [line for line in text.splitlines() if line.startswith("| `-")]
    return {
        word.split()[0]
        for row in rows
        for word in code(row.replace("\\|", "/").split("|")[1])
        if word.startswith("-")
    }


SHARED = options("\n".join(f"| {row[0]} |" for row in table(PAGE, "option")))


def test_every_command_has_its_section_in_the_order_of_the_help() -> None:
    headings = re.findall(r"^## (.+)$", PAGE.read_text(), re.MULTILINE)
    assert headings == ["Through a server", "Exit codes", *COMMANDS]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_listed_and_no_other(name: str) -> None:
    below = [_BELOW[name]] if name in _BELOW else []
    there = {one for one in options_of(name, below) if one.startswith("-")}
    said = options(section(name))
    assert said <= there, f"docs/cli.md lists of {name} what there is not"
    assert there - said <= SHARED, f"docs/cli.md lacks options of {name}"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_section_shows_a_call(name: str) -> None:
    assert f"`reconciler {name}" in section(name)


def test_every_exit_code_is_listed() -> None:
    listed = {int(row[0]) for row in table(PAGE, "code")}
    errors = [ReconcilerError]
    for error in errors:
        errors += error.__subclasses__()
    assert listed == {0, 2, 130, 141} | {error.exit_code for error in errors}
