"""Names and ids: a database rebuilt from git has the same ids and the same webhook URLs."""

from typing import NamedTuple
from uuid import UUID, uuid5

NAMESPACE = UUID("6f0d3f0e-7a0a-5b60-9d0e-2f1c6f2a9b11")
"""The UUIDv5 namespace of this project. Changing it would move every id and every webhook URL."""


class Key(NamedTuple):
    """What names an object: unique in its workspace and kind."""

    kind: str
    workspace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.workspace}/{self.name}"


def object_id(kind: str, workspace: str, first_name: str) -> str:
    """The id of an object: UUIDv5 of (workspace, kind, the first name it ever had) (contract 3)."""
    return str(uuid5(NAMESPACE, f"{workspace}/{kind}/{first_name}"))


def trigger_id(autopilot_id: str, name: str) -> str:
    """The id of a trigger: UUIDv5 of (autopilot id, trigger name)."""
    return str(uuid5(NAMESPACE, f"{autopilot_id}/{name}"))
