"""References to secrets belong to the manifest's workspace, and secrets are never literal.

Whoever can open a pull request must not be able to read the server's environment or another
team's secrets (docs/manifest.md#secrets).
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from reconciler.core.base.codes import Code
from reconciler.core.base.near import shown
from reconciler.core.manifest.checks.finding import Finding, Loc
from reconciler.core.manifest.checks.raw import (
    Raw,
    mapping,
    mappings,
    text,
    triggers_of,
    workspace_of,
)
from reconciler.core.manifest.fields import parse_instant

# No `__` in a name: workspace `a` would otherwise own the variables of workspace `a--b`.
_NAME = re.compile(r"[A-Za-z0-9]+(?:_[A-Za-z0-9]+)*", re.ASCII)
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}", re.ASCII)
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*", re.ASCII)
# The shapes by which well-known services mark their credentials.
_LITERAL = re.compile(
    r"\b(?:gh[pousr]_[A-Za-z0-9]{20}|github_pat_[A-Za-z0-9_]{20}|glpat-[A-Za-z0-9_-]{16}"
    r"|xox[abpr]-[A-Za-z0-9-]{10}|sk-[A-Za-z0-9_-]{20}|AKIA[0-9A-Z]{16}|whsec_[A-Za-z0-9+/=]{16}"
    r"|whk_[A-Za-z0-9_-]{40}|rct_[A-Za-z0-9_-]{16})|-----BEGIN [A-Z ]*PRIVATE KEY-----",
    re.ASCII,
)
_SECRET_HEADERS = frozenset(
    {"authorization", "proxy-authorization", "cookie", "x-api-key", "api-key"}
)


_VARIABLES = "AUTOPILOT_SECRET_"


def env_prefix(workspace: str) -> str:
    """What the variables of a workspace's secrets start with."""
    return f"{_VARIABLES}{workspace.upper().replace('-', '_')}__"


def is_secret_variable(name: str) -> bool:
    """Whether this variable of the environment may hold the secret of some workspace."""
    return name.startswith(_VARIABLES)


@lru_cache(maxsize=1024)
def owns_env(workspace: str, variable: str) -> bool:
    """Whether the workspace may read this variable; no variable belongs to two workspaces."""
    prefix = env_prefix(workspace)
    return variable.startswith(prefix) and bool(_NAME.fullmatch(variable[len(prefix) :]))


def is_secret_file(name: str) -> bool:
    """Whether this is the plain name of a file in the workspace's folder of secrets."""
    return bool(_FILE.fullmatch(name))


def secret_findings(document: Raw) -> Iterator[Finding]:
    """Everything wrong with the references to secrets, and texts that look like secrets."""
    workspace = workspace_of(document)
    for loc, reference in _references(document):
        yield from _reference(loc, reference, workspace)
    for loc, value in _literals(document):
        if _LITERAL.search(value) or str(loc[-1]).lower() in _SECRET_HEADERS:
            message = (
                "this looks like a secret; a manifest holds only references, "
                f"{{env: {env_prefix(workspace)}NAME}} or {{file: NAME}}"
            )
            yield Finding(loc, message, Code.SECRET_LITERAL)


def _references(document: Raw) -> Iterator[tuple[Loc, Raw]]:
    for loc, trigger in triggers_of(document):
        secrets = mapping(trigger.get("signature")).get("secrets")
        for index, reference in mappings(secrets):
            yield (*loc, "signature", "secrets", index), reference
    for loc, value in _runtime_values(document):
        if isinstance(value, dict):
            yield loc, value


def _literals(document: Raw) -> Iterator[tuple[Loc, str]]:
    for loc, value in _runtime_values(document):
        if isinstance(value, str):
            yield loc, value


def _runtime_values(document: Raw) -> Iterator[tuple[Loc, Any]]:
    runtime = mapping(mapping(document.get("spec")).get("runtime"))
    if not runtime:
        return
    at: Loc = ("spec", "runtime")
    for name in ("token", "secret"):
        if isinstance(runtime.get(name), dict):
            yield (*at, name), runtime[name]
    for name in ("env", "headers"):
        yield from (((*at, name, k), v) for k, v in mapping(runtime.get(name)).items())
    own = mapping(mapping(runtime.get("request")).get("headers"))
    yield from (((*at, "request", "headers", k), v) for k, v in own.items())
    if isinstance(arguments := runtime.get("args"), list):
        yield from (((*at, "args", i), argument) for i, argument in enumerate(arguments))


def _reference(loc: Loc, reference: Raw, workspace: str) -> Iterator[Finding]:
    places = [name for name in ("env", "file") if reference.get(name) is not None]
    if len(places) != 1:
        count = "both" if places else "none"
        message = f"a reference has exactly one of 'env' and 'file', found {count}"
        yield Finding(loc, message, Code.SECRET_REFERENCE)
    if (variable := text(reference.get("env"))) is not None:
        yield from _variable((*loc, "env"), variable, workspace)
    if (name := text(reference.get("file"))) is not None and not is_secret_file(name):
        message = (
            f"{shown(name)} is not the name of a secret file; write a plain file name "
            f"of letters, digits, '.', '_' and '-', found in the folder of workspace {workspace!r}"
        )
        yield Finding((*loc, "file"), message, Code.SECRET_FILE)
    yield from _rotation(loc, reference)


def _variable(loc: Loc, variable: str, workspace: str) -> Iterator[Finding]:
    if owns_env(workspace, variable):
        return
    # What is no name of a variable may be a secret that was pasted here: it is not repeated.
    what = shown(variable) if _VARIABLE.fullmatch(variable) else "this"
    message = (
        f"{what} does not belong to workspace {workspace!r}; "
        f"write {env_prefix(workspace)}<NAME>, <NAME> without '__'"
    )
    yield Finding(loc, message, Code.SECRET_WORKSPACE)


def _rotation(loc: Loc, reference: Raw) -> Iterator[Finding]:
    try:
        start = parse_instant(reference["notBefore"])
        end = parse_instant(reference["notAfter"])
    except (KeyError, TypeError, ValueError):
        return
    if start >= end:
        message = "'notBefore' must be before 'notAfter'"
        yield Finding((*loc, "notAfter"), message, Code.SECRET_RANGE)
