"""How a text is laid out: where things end, and the habits that insertions should follow."""

import re
from dataclasses import dataclass

from reconciler.manifest.edit.writer import Writer
from reconciler.manifest.load.nodes import MappingNode, Node, ScalarNode, SequenceNode

_BLANK_END = re.compile(r"[ \t\r\n]*\Z")


class CannotSplice(Exception):
    """The text is laid out in a way that single values cannot be replaced in."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A text without byte order mark, its line break, and how its blocks are indented."""

    text: str
    newline: str
    writer: Writer

    @classmethod
    def of(cls, text: str, root: Node) -> "Layout":
        """Learnt from the first break and the first collections inside others."""
        first_break = re.search(r"\r\n|\n|\r", text)
        steps = list(_steps(root))
        step = next((s for kind, s in steps if kind == "mapping" and 1 <= s <= 9), 2)
        offset = next((s for kind, s in steps if kind == "list"), step)
        return cls(text, first_break[0] if first_break else "\n", Writer(step, offset))

    def joined(self, lines: list[str]) -> str:
        """Lines with the text's own breaks between them."""
        return self.newline.join(lines)

    def end(self, node: Node) -> int:
        """Where the content of a node ends: before comments, blanks and line breaks after it."""
        if isinstance(node, MappingNode | SequenceNode) and not node.flow:
            last = node.entries[-1][1] if isinstance(node, MappingNode) else node.items[-1]
            return max(self.end(last), node.start.index)
        end = node.end.index
        if isinstance(node, ScalarNode) and node.style in ("|", ">"):
            return self._block_end(node)
        return end

    def _block_end(self, node: ScalarNode) -> int:
        """The end of the last line of a block scalar; its final break is not part of it."""
        source = self.text[node.start.index : node.end.index]
        header = re.match(r"[|>][-+0-9]*", source)
        if header and "+" in header[0]:
            # The blank lines at the end are content; what the next thing is indented by is not.
            content = source.rstrip(" \t")
            content = content if content.endswith(("\n", "\r")) else source
            return node.start.index + len(re.sub(r"(\r\n|\n|\r)\Z", "", content))
        blank = _BLANK_END.search(source)
        return node.start.index + (blank.start() if blank else len(source))

    def line_start(self, offset: int) -> int:
        """Where the line of `offset` begins."""
        return max(self.text.rfind("\n", 0, offset), self.text.rfind("\r", 0, offset)) + 1

    def line_end(self, offset: int) -> int:
        """Where the line of `offset` ends, before its break."""
        end = re.compile(r"[\r\n]|\Z").search(self.text, offset)
        return end.start() if end else len(self.text)

    def next_line(self, offset: int) -> int:
        """Where the line after the one of `offset` begins, or the end of the text."""
        end = re.compile(r"\r\n|\r|\n|\Z").search(self.text, offset)
        return end.end() if end else len(self.text)

    def is_first_in_line(self, offset: int) -> bool:
        """Whether nothing but blanks stands before `offset` in its line."""
        return not self.text[self.line_start(offset) : offset].strip(" ")

    def remainder_of_line(self, offset: int) -> str:
        """What stands between `offset` and the end of its line."""
        return self.text[offset : self.line_end(offset)]

    def colon(self, key: ScalarNode, value: Node) -> int:
        """The offset of the `:` behind a key. Raises CannotSplice where there is none."""
        colon = self.text.find(":", key.end.index)
        between = self.text[key.end.index : colon] if colon >= 0 else "?"
        if between.strip() or colon > max(value.start.index, key.end.index):
            raise CannotSplice("a key without a colon")
        return colon

    def dash(self, sequence: SequenceNode, index: int) -> int:
        """The offset of the `-` before an item of a block list."""
        if index == 0:
            return sequence.start.index
        before, item = sequence.items[index - 1], sequence.items[index]
        column = sequence.start.column
        line = self.line_start(item.start.index)
        earliest = self.end(before)
        while line >= earliest:
            if self.text[line + column : line + column + 1] == "-":
                return line + column
            line = self.line_start(line - 1) if line > 0 else -1
        raise CannotSplice("an item without a dash")


def _steps(node: Node) -> list[tuple[str, int]]:
    """How much deeper each block stands than its key, in the order of the text."""
    steps: list[tuple[str, int]] = []
    if isinstance(node, MappingNode):
        for key, value in node.entries:
            deeper = value.start.column - key.start.column
            if isinstance(value, MappingNode) and not value.flow:
                steps.append(("mapping", deeper))
            elif isinstance(value, SequenceNode) and not value.flow:
                steps.append(("list", deeper))
            steps += _steps(value)
    elif isinstance(node, SequenceNode):
        for item in node.items:
            steps += _steps(item)
    return steps
