"""How Aegis types a text into a terminal: line by line, with Enter between and after."""

from tests.support.aegis.agent import Agent
from tests.support.aegis.script import Script

LONGEST_LINE = 16 * 1024


class FlagError(Exception):
    """tmux takes a line that begins with `-` for one of its options."""


class TooLongError(Exception):
    """tmux takes no more in one command."""


def type_text(agent: Agent, text: str, now: float, script: Script) -> None:
    """Type; what came before an error stays in the input box."""
    for line in (text + text if script.doubled else text).split("\n"):
        if line.startswith("-"):
            raise FlagError
        if len(line.encode("utf-8", "replace")) > LONGEST_LINE:
            raise TooLongError
        agent.press(line)
        agent.enter(now, script)
