"""Manifests as people write them: one autopilot each, in a style that a seed decides."""

import random
from dataclasses import dataclass

NAME = "triage"
AGENT = b"""\
apiVersion: autopilots/v1
kind: Agent
metadata: {name: bot}
spec: {runtime: {type: worker}}
"""
_TITLES = ("Nightly triage", "It's due", "Weekly: report", "#1 of many", "Überprüfung — täglich")
_COMMENTS = ("keep in step with CI", "nine o'clock: mornings", "ask Ada first", "TODO {braces}")
_CRONS = ("0 9 * * MON-FRI", "*/15 * * * *", "@daily", "30 4 1 * *")


@dataclass(frozen=True, slots=True)
class StyledFile:
    """A file with one autopilot in it. `triggers` are the names of its triggers."""

    data: bytes
    triggers: tuple[str, ...]


def styled_file(seed: int, name: str = NAME) -> StyledFile:
    """The file of a seed: indents, quotes, comments, flow, line breaks, mark, end, documents."""
    return _Styled(random.Random(seed), name).file()


class _Styled:
    def __init__(self, random_: random.Random, name: str) -> None:
        self.name = name
        self.random = random_
        self.step = random_.choice((1, 2, 2, 4, 6))
        self.offset = random_.choice((0, self.step))
        self.newline = random_.choice(("\n", "\n", "\r\n"))
        self.is_flow = random_.random() < 0.3
        self.is_commented = random_.random() < 0.6

    def file(self) -> StyledFile:
        names = tuple(f"t{number}" for number in range(self.random.randint(2, 4)))
        documents = [self.autopilot(names)]
        for number in range(self.random.choice((0, 0, 1, 2))):
            documents.insert(self.random.randint(0, len(documents)), self.other(number))
        text = self.separator().join(documents)
        if self.random.random() < 0.4:
            text = f"---\n{text}"
        if self.random.random() < 0.3:
            text = f"# The team's work.\n{text}"
        if self.random.random() < 0.3:
            text = text.removesuffix("\n")
        mark = b"\xef\xbb\xbf" if self.random.random() < 0.25 else b""
        return StyledFile(mark + text.replace("\n", self.newline).encode(), names)

    def separator(self) -> str:
        return self.random.choice(("---\n", "\n---\n", "---  # next\n"))

    def other(self, number: int) -> str:
        head = f"apiVersion: autopilots/v1\nkind: Agent\nmetadata: {{name: {self.name}-{number}}}\n"
        return f"{head}spec: {{runtime: {{type: worker}}}}{self.comment()}\n"

    def autopilot(self, names: tuple[str, ...]) -> str:
        one, two = " " * self.step, " " * (2 * self.step)
        lines = [
            f"apiVersion: {self.quoted('autopilots/v1')}",
            f"kind: Autopilot{self.comment()}",
            *self.metadata(one, two),
            f"spec:{self.comment()}",
            f"{one}title: {self.quoted(self.random.choice(_TITLES))}{self.comment()}",
            *self.description(one, two),
            f"{one}timeout: {self.random.choice(('90m', '2h'))}{self.comment()}",
            *self.blank(),
            f"{one}queueLimit: {self.random.randint(1, 9)}{self.comment()}",
            *self.assignee(one, two),
            f"{one}triggers:{self.comment()}",
        ]
        for name in names:
            lines += self.trigger(name)
        if self.is_commented:
            lines.append(f"{one}# the end")
        return "\n".join(lines) + "\n"

    def metadata(self, one: str, two: str) -> list[str]:
        if self.random.random() < 0.4:
            return [f"metadata: {{name: {self.name}, labels: {{team: core}}}}{self.comment()}"]
        return [
            "metadata:",
            f"{one}name: {self.name}{self.comment()}",
            f"{one}labels:",
            f"{two}team: {self.quoted('core')}{self.comment()}",
        ]

    def description(self, one: str, two: str) -> list[str]:
        style = self.random.choice(("none", "plain", "literal", "folded"))
        match style:
            case "plain":
                return [f"{one}description: {self.quoted('Read the issues')}"]
            case "literal":
                return [f"{one}description: |", f"{two}Read the issues", f"{two}and label them."]
            case "folded":
                return [f"{one}description: >-", f"{two}Read the issues", f"{two}and label them."]
        return []

    def assignee(self, one: str, two: str) -> list[str]:
        if self.random.random() < 0.5:
            return [f"{one}assignee: {{type: agent, id: bot}}"]
        return [f"{one}assignee:", f"{two}type: agent", f"{two}id: {self.quoted('bot')}"]

    def trigger(self, name: str) -> list[str]:
        indent = " " * (self.step + self.offset)
        cron = self.random.choice(_CRONS)
        comment = [f"{indent}# {self.random.choice(_COMMENTS)}"] if self.is_commented else []
        if self.is_flow:
            quoted = f'"{cron}"'
            return [*comment, f"{indent}- {{name: {name}, kind: schedule, cron: {quoted}}}"]
        entries = [f"kind: schedule{self.comment()}", f'cron: "{cron}"{self.comment()}']
        if self.random.random() < 0.4:
            entries.append(f"timezone: {self.quoted('Europe/Rome')}")
        first = f"{indent}- name: {name}{self.comment()}"
        return [*comment, first, *(f"{indent}  {entry}" for entry in entries), *self.blank()]

    def quoted(self, text: str) -> str:
        """A text in any of the ways that can hold it."""
        escaped = text.replace("'", "''")
        single, double = f"'{escaped}'", f'"{text}"'
        plain = [text] if not set(text) & set(":#'—{}") else []
        return self.random.choice([single, double, *plain])

    def comment(self) -> str:
        """A comment behind a value, or nothing."""
        if not self.is_commented or self.random.random() < 0.6:
            return ""
        return f"{' ' * self.random.randint(1, 4)}# {self.random.choice(_COMMENTS)}"

    def blank(self) -> list[str]:
        return [""] if self.random.random() < 0.25 else []
