"""The pages of the documentation as tests read them: blocks of code, tables, links, headings."""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.cli.main import COMMANDS

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
_BLOCK = re.compile(r"^( *)```(\S*)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[[^\]\n]+\]\(([^)\s]+)\)")
_CALL = re.compile(r"\breconciler\b(?P<rest> (?:\\\n|[^\n|)&;#])+)")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, its text, and the line of the page that it starts on."""

    language: str
    text: str
    line: int


def pages() -> list[Path]:
    """Every page that people read, in order."""
    places = ("*.md", "docs/**/*.md", "deploy/**/*.md", "examples/**/*.md")
    return sorted(path for place in places for path in ROOT.glob(place))


def shown(path: Path) -> str:
    """The path as seen from the repository."""
    return path.relative_to(ROOT).as_posix()


def blocks(page: Path, *languages: str) -> list[Block]:
    """The fenced blocks of a page in these languages, or all of them."""
    text = page.read_text("utf-8")
    found = [
        Block(match[2], match[3], text.count("\n", 0, match.start()) + 1)
        for match in _BLOCK.finditer(text)
    ]
    return [block for block in found if not languages or block.language in languages]


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return _BLOCK.sub("", page.read_text("utf-8"))


def links(page: Path) -> list[str]:
    """The targets of all links."""
    return _LINK.findall(prose(page))


def anchors(page: Path) -> set[str]:
    """What the headings of a page can be linked by, as GitHub makes it."""
    headings = re.findall(r"^#+ (.+?)\s*$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def table(page: Path, heading: str) -> list[list[str]]:
    """The cells of the first table below a heading or a header row that begins with `heading`."""
    lines = iter(page.read_text("utf-8").splitlines())
    for line in lines:
        if line.startswith(f"| {heading} |"):
            break
    next(lines, None)
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return rows


def code(cell: str) -> list[str]:
    """The texts between backticks."""
    return re.findall(r"`([^`]+)`", cell)


def calls(page: Path) -> Iterator[list[str]]:
    """Every call of `reconciler` in shell blocks and in code within the text, split into words."""
    spans = [span for span in code(prose(page)) if span.startswith("reconciler ")]
    texts = [re.sub(r"(^|\s)#.*", "", block.text) for block in blocks(page, "sh")]
    for text in (*spans, *texts):
        for match in _CALL.finditer(text):
            rest = match["rest"].replace("\\\n", " ")
            if match.start() == 0 or text[match.start() - 1] not in "/.-_":
                yield _words(rest)


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:  # a quote that the end of the call cut in two
        return text.split()


def options_of(name: str, words: Sequence[str] = ()) -> set[str]:
    """The options that a command takes; `words` may begin with a command below it."""
    command: Any = COMMANDS[name].load(name)
    if words and words[0] in (below := getattr(command, "commands", {})):
        command = below[words[0]]
    return {"--help", "-h"} | {
        text for option in command.params for text in (*option.opts, *option.secondary_opts)
    }


def not_yet() -> set[str]:
    """What the README says is not there yet."""
    return {row[0] for row in table(README, "not yet")}


def is_to_come(word: str) -> bool:
    """Whether a command or an option is among them; `token` comes with the API tokens."""
    words = {word for entry in not_yet() for word in re.findall(r"[\w-]+", entry)}
    return word in words or (word == "token" and "tokens" in words)
