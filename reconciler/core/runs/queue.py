"""The queue that an admitted run waits in: that of an agent, or that of a squad."""

from typing import NamedTuple, Self


class Queue(NamedTuple):
    """Whose room runs wait for. `kind` is `agent` or `squad`."""

    workspace: str
    kind: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text of a queue; names hold no slash."""
        workspace, kind, name = text.split("/")
        return cls(workspace, kind, name)

    def __str__(self) -> str:
        return "/".join(self)
