"""Roles and callers: who may do what, and which workspaces they see."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a credential is for: viewer < operator < admin; planner and worker stand apart."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"
    PLANNER = "planner"
    WORKER = "worker"


GRANTS: dict[Role, frozenset[Role]] = {
    Role.VIEWER: frozenset({Role.VIEWER}),
    Role.OPERATOR: frozenset({Role.VIEWER, Role.OPERATOR}),
    Role.ADMIN: frozenset(Role),
    Role.PLANNER: frozenset({Role.VIEWER, Role.PLANNER}),
    Role.WORKER: frozenset({Role.WORKER}),
}
"""The endpoints that each role opens, by the role that the endpoint asks for."""


def may(role: Role, asked: Role) -> bool:
    """Whether `role` opens an endpoint that asks for `asked`."""
    return asked in GRANTS[role]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `workspaces` is None for all of them; `name` goes into history and logs."""

    name: str
    role: Role
    workspaces: frozenset[str] | None = None

    def sees(self, workspace: str) -> bool:
        """Whether the caller may know of this workspace at all."""
        return self.workspaces is None or workspace in self.workspaces

    def sees_any(self, workspaces: Iterable[str]) -> bool:
        """Whether the caller may know of at least one; without limits also of none."""
        return self.workspaces is None or not self.workspaces.isdisjoint(workspaces)

    def sees_all(self, workspaces: Iterable[str]) -> bool:
        """Whether the caller may know of every one of them."""
        return self.workspaces is None or self.workspaces.issuperset(workspaces)

    def narrowed(self, asked: str | None) -> frozenset[str] | None:
        """The workspaces that a list shows when `asked` names one; None shows all."""
        if asked is None:
            return self.workspaces
        return frozenset({asked}) if self.sees(asked) else frozenset()

    def may(self, asked: Role) -> bool:
        """Whether the caller's role opens an endpoint that asks for `asked`."""
        return may(self.role, asked)


LOCAL = Caller("local", Role.ADMIN)
"""Whoever talks to a server that has no tokens file: it listens on loopback only."""
