"""Which role the claims of a verified JWT give: rules of the operator, matched exactly."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.core.access.roles import Caller, Role

PINS = ("repository", "ref", "event")
"""What a rule for admin must pin, all three."""
GITHUB_NAMES: Mapping[str, str] = {
    "repository": "repository",
    "ref": "ref",
    "event": "event_name",
}
"""The claims in which GitHub Actions says these; other issuers call them otherwise."""
_OF_OUTSIDERS = (
    *("pull_request", "merge_request", "external_pull_request"),
    *("issue", "discussion", "commit_comment", "gollum", "fork", "watch"),
    "workflow_run",  # also after the run of a fork, whose branch may have any name
)
"""How the events begin that whoever can read a repository can cause."""
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule. `pins` are the allowed values of repository, ref and event; `claims` more of them,
    by the claim's own name. `names` says in which claims the three are found."""

    issuer: str
    audience: str
    role: Role
    workspaces: frozenset[str] | None = None
    pins: Mapping[str, frozenset[str]] = field(default_factory=dict)
    claims: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=lambda: GITHUB_NAMES)

    def matches(self, claims: Mapping[str, Any]) -> bool:
        """Whether the claims of a token are those that the rule is for."""
        if claims.get("iss") != self.issuer or self.audience not in audiences(claims):
            return False
        pinned = ((self.names[pin], allowed) for pin, allowed in self.pins.items())
        own = ((name, frozenset({value})) for name, value in self.claims.items())
        return all(_says(claims, name, allowed) for name, allowed in (*pinned, *own))


def _says(claims: Mapping[str, Any], name: str, allowed: frozenset[str]) -> bool:
    value = claims.get(name)
    return isinstance(value, str) and value in allowed


def audiences(claims: Mapping[str, Any]) -> list[Any]:
    """Whom a token is for; one or several."""
    audience = claims.get("aud")
    return audience if isinstance(audience, list) else [audience]


def objection_to(rule: Rule) -> str | None:
    """Why a rule is not safe to have, as the end of a sentence; None if it is.

    Whoever can open a pull request can run a workflow in its name: such a token must never be able
    to apply.
    """
    if rule.role not in (Role.PLANNER, Role.ADMIN):
        return f"gives the role {rule.role}; rules give planner or admin"
    if "repository" not in rule.pins:
        return "does not pin a repository: every repository of the issuer would be let in"
    if rule.role is not Role.ADMIN:
        return None
    if missing := [pin for pin in PINS if pin not in rule.pins]:
        return f"is for admin and does not pin {' and '.join(missing)}"
    if wrong := sorted(e for e in rule.pins["event"] if e.startswith(_OF_OUTSIDERS)):
        return f"is for admin and lets in event {wrong[0]}, which people from outside can cause"
    if wrong := sorted(r for r in rule.pins["ref"] if "pull/" in r or "merge-requests/" in r):
        return f"is for admin and lets in ref {wrong[0]}, which people from outside can write"
    return _objection_to_short_refs(rule)


def _objection_to_short_refs(rule: Rule) -> str | None:
    """Whoever may push tags could name one like the branch; GitLab calls both `main` in `ref`."""
    short = sorted(ref for ref in rule.pins["ref"] if not ref.startswith("refs/"))
    if not short or "ref_type" in rule.claims:
        return None
    return (
        f"is for admin and lets in ref {short[0]}, which a tag may be called as well as a branch: "
        f'pin refs/heads/{short[0]} (at GitLab with names.ref = "ref_path"), or claims.ref_type'
    )


def caller_of_claims(rules: Iterable[Rule], claims: Mapping[str, Any]) -> Caller | None:
    """Who the bearer of a verified token is; the strongest rule that fits decides."""
    fitting = [rule for rule in rules if rule.matches(claims)]
    fitting.sort(key=lambda rule: rule.role is not Role.ADMIN)
    if not fitting:
        return None
    return Caller(_name(fitting[0], claims), fitting[0].role, fitting[0].workspaces)


def _name(rule: Rule, claims: Mapping[str, Any]) -> str:
    """What history and logs show: the repository, the ref, and the person where they are told."""
    repository = claims.get(rule.names["repository"])
    ref, actor = claims.get(rule.names["ref"]), claims.get("actor")
    parts = [str(repository)]
    parts += [f"@{ref}"] if isinstance(ref, str) else []
    parts += [f" ({actor})"] if isinstance(actor, str) else []
    text = "".join(parts)
    return "".join(c if c.isprintable() else "\ufffd" for c in text)[:_LONGEST_NAME]
