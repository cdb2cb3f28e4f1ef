"""A prompt as keys: what the terminal makes of them is what was asked."""

from hypothesis import given
from hypothesis import strategies as st

from reconciler.dispatch.aegis.paste import CLOSING, OPENING, clean, same_text, typed
from reconciler.dispatch.aegis.prompt import CREATE_LIMIT, SEND_LIMIT, units
from tests.support.aegis.agent import Agent
from tests.support.aegis.script import Script
from tests.support.aegis.typing import type_text

LINES = st.lists(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
    | st.sampled_from(["- a list", "--flag", "", "\x1b[201~", "!ls", "é" * 5000, "x" * 9000]),
    max_size=60,
)


def prompts_of(text: str) -> list[str]:
    """What an agent makes of the keys."""
    agent = Agent(name="run", work_dir="/srv", ready_at=0.0)
    type_text(agent, text, 1.0, Script())
    assert agent.shell == []
    return [turn.text for turn in agent.turns]


@given(LINES, st.integers(1, 40))
def test_any_text_arrives_as_one_prompt(lines: list[str], times: int) -> None:
    text = "\n".join(["Triage.", *lines * times])
    keys = typed(text, CREATE_LIMIT)
    assert units(keys) <= CREATE_LIMIT
    assert keys.count(OPENING) == keys.count(CLOSING) == 1
    (arrived,) = prompts_of(keys)
    assert same_text(clean(text), arrived)
    if units(clean(text)) < CREATE_LIMIT - 20:
        assert arrived.split() == clean(text).expandtabs(4).split()


@given(st.text(max_size=50))
def test_no_beginning_makes_it_a_command(text: str) -> None:
    prompts_of(typed(text, SEND_LIMIT))


def test_a_naive_text_is_torn_and_refused() -> None:
    """What the stand-in does to those who type a text as it is."""
    agent = Agent(name="run", work_dir="/srv", ready_at=0.0)
    type_text(agent, "one\n  two\nthree", 1.0, Script())
    assert [turn.text for turn in agent.turns] == ["one", "two", "three"]


def test_white_space_makes_no_other_text() -> None:
    assert same_text("a\tb\n\n c" * 100, "a    b\n c" * 100)
    assert same_text("It fails.", "It fails.It fails.")
    assert not same_text("Triage the issues.", "Triage the issues. And delete them.")
    assert not same_text("Triage the issues.", "Triage the pull requests.")
    assert not same_text("Triage the issues.", "Triage")
    assert not same_text("", "")
