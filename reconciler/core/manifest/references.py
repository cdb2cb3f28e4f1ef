"""Rules between objects: names that are taken, and objects that others name."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

from reconciler.core.base.codes import Code
from reconciler.core.base.identity import Key
from reconciler.core.base.near import NearMisses, Vocabulary
from reconciler.core.manifest.checks.finding import Finding, Loc
from reconciler.core.manifest.checks.raw import Raw, mapping, text, texts, workspace_of
from reconciler.core.manifest.model import Kind
from reconciler.core.manifest.state import Document, former_names


def _nobody(_key: Key) -> bool:
    return False


@dataclass(frozen=True)
class Scope:
    """What references are resolved in.

    documents       the valid objects of the source
    broken          objects of the source that have Problems: they exist, and are not looked into
    unread          names found in parts of the source that are no YAML; they may be any object's
    external        whether another source has the object
    allow_external  take unknown objects for those of other sources, which are not known here
    near_misses     how many names may still be searched for what was probably meant
    """

    documents: Mapping[Key, Document]
    broken: Collection[Key] = ()
    unread: Collection[str] = ()
    external: Callable[[Key], bool] = field(default=_nobody)
    allow_external: bool = False
    near_misses: NearMisses = field(default_factory=NearMisses)

    def declares(self, key: Key) -> bool:
        """Whether the source has the object, or may have it."""
        return key in self.documents or key in self.broken or key.name in self.unread

    def lacks(self, key: Key) -> bool:
        """Whether it is certain that nobody has the object."""
        return not (self.declares(key) or self.allow_external or self.external(key))

    def did_you_mean(self, target: Key) -> str:
        """`, did you mean 'x'?`, or nothing, over the names of a kind in a workspace."""
        if names := self.index.names.get((target.kind, target.workspace)):
            return self.near_misses.did_you_mean(target.name, names)
        return ""

    def near_elsewhere(self, target: Key) -> str | None:
        """The name of this kind that was probably meant, in whatever workspace."""
        names = self.index.of_kind.get(target.kind)
        return self.near_misses.near(target.name, names) if names else None

    @cached_property
    def index(self) -> "_Index":
        """The names of the source, sorted out once, when something is missing."""
        return _Index.of((*self.documents, *self.broken))


@dataclass(frozen=True, slots=True)
class _Index:
    """Names by kind and workspace, and workspaces by kind and name.

    Each Problem asks here: to go over all names each time would be quadratic in the source.
    """

    names: Mapping[tuple[str, str], Vocabulary]
    workspaces: Mapping[tuple[str, str], list[str]]
    of_kind: Mapping[str, Vocabulary]

    @classmethod
    def of(cls, keys: Iterable[Key]) -> "_Index":
        """Sort out the names of a source."""
        names: dict[tuple[str, str], list[str]] = defaultdict(list)
        workspaces: dict[tuple[str, str], list[str]] = defaultdict(list)
        for key in keys:
            names[key.kind, key.workspace].append(key.name)
            workspaces[key.kind, key.name].append(key.workspace)
        kinds = {kind for kind, _ in names}
        of_kind = {k: Vocabulary({name for kind, name in workspaces if kind == k}) for k in kinds}
        by_workspace = {pair: Vocabulary(own) for pair, own in names.items()}
        return cls(by_workspace, workspaces, of_kind)


T = TypeVar("T")


def reference_findings(
    scope: Scope, subjects: Iterable[tuple[T, Raw]]
) -> Iterator[tuple[T, Finding]]:
    """What is wrong between the objects of a source.

    `subjects` are all documents, those with Problems included, each with anything that tells the
    caller which one it is. What is malformed in them is passed over.
    """
    formers: dict[Key, Key] = {}
    for subject, document in subjects:
        workspace = workspace_of(document)
        findings = [*_former_names(document, workspace, scope, formers)]
        match document.get("kind"):
            case "Autopilot":
                findings += _assignee(document, workspace, scope)
            case "Squad":
                findings += _members(document, workspace, scope)
        for finding in findings:
            yield subject, finding


def _former_names(
    document: Raw, workspace: str, scope: Scope, formers: dict[Key, Key]
) -> Iterator[Finding]:
    """Two objects with one first name would be one object: ids come from it.

    Later former names may be used again, so that names can be swapped.
    """
    metadata = mapping(document.get("metadata"))
    kind, own = text(document.get("kind")), text(metadata.get("name"))
    first = next((name for _, name in texts(metadata.get("formerNames"))), None)
    if kind is None or own is None or first is None or first == own:
        return
    key, former = Key(kind, workspace, own), Key(kind, workspace, first)
    loc: Loc = ("metadata", "formerNames", 0)
    other = scope.documents.get(former)
    if other is not None and not former_names(other):
        message = (
            f"'{first}' is the name of another {kind}, and both would have the id of that name; "
            "remove formerNames from a new object, or give the other one another name"
        )
        yield Finding(loc, message, Code.FORMER_NAME_IN_USE)
    elif formers.setdefault(former, key) != key:
        message = f"'{first}' is the first former name of {formers[former]} already"
        yield Finding(loc, message, Code.FORMER_NAME_IN_USE)


def _assignee(document: Raw, workspace: str, scope: Scope) -> Iterator[Finding]:
    spec = mapping(document.get("spec"))
    assignee = mapping(spec.get("assignee"))
    kind, name = _KINDS.get(text(assignee.get("type")) or ""), text(assignee.get("id"))
    if kind is None or name is None:
        return
    target = Key(kind, workspace, name)
    if scope.lacks(target):
        loc: Loc = ("spec", "assignee", "id")
        yield Finding(loc, _unknown(target, scope), Code.ASSIGNEE_UNKNOWN)
    elif spec.get("executionMode") == "run_only":
        yield from _run_only(target, scope)


_KINDS = {"agent": Kind.AGENT, "squad": Kind.SQUAD}


def _members(document: Raw, workspace: str, scope: Scope) -> Iterator[Finding]:
    for index, name in texts(mapping(document.get("spec")).get("members")):
        target = Key(Kind.AGENT, workspace, name)
        if scope.lacks(target):
            loc: Loc = ("spec", "members", index)
            yield Finding(loc, _unknown(target, scope), Code.MEMBER_UNKNOWN)


def _run_only(target: Key, scope: Scope) -> Iterator[Finding]:
    """`run_only` executes without a session, which an Aegis server cannot (docs/runtimes.md)."""
    for agent in _agents(target, scope):
        document = scope.documents.get(agent)
        if document and document["spec"]["runtime"]["type"] == "aegis":
            message = (
                f"'run_only' needs a runtime without sessions, and agent '{agent.name}' is of type "
                f"'aegis'; write create_session, or assign an agent of another type"
            )
            yield Finding(("spec", "executionMode"), message, Code.RUN_ONLY_UNSUPPORTED)
            return


def _agents(target: Key, scope: Scope) -> Iterator[Key]:
    if target.kind == Kind.AGENT:
        yield target
    elif squad := scope.documents.get(target):
        yield from (Key(Kind.AGENT, target.workspace, m) for m in squad["spec"]["members"])


def _unknown(target: Key, scope: Scope) -> str:
    noun = target.kind.lower()
    start = f"unknown {noun} '{target.name}' in workspace '{target.workspace}'"
    return start + (
        scope.did_you_mean(target)
        or _elsewhere(target, scope)
        or f"; declare the {noun} in this source"
        ", or give --allow-external where another source declares it"
    )


def _elsewhere(target: Key, scope: Scope) -> str:
    other = Kind.SQUAD if target.kind == Kind.AGENT else Kind.AGENT
    if scope.declares(Key(other, target.workspace, target.name)):
        return f"; there is {_a(other)} of that name"
    if workspaces := scope.index.workspaces.get((target.kind, target.name)):
        return f"; workspace '{min(workspaces)}' has one: {_STAY.format(min(workspaces))}"
    if name := scope.near_elsewhere(target):
        workspace = min(scope.index.workspaces[target.kind, name])
        return f"; workspace '{workspace}' has '{name}': {_STAY.format(workspace)}"
    return ""


_STAY = "references stay within a workspace, is metadata.workspace meant to be '{}'?"


def _a(kind: str) -> str:
    return f"an {kind.lower()}" if kind == Kind.AGENT else f"a {kind.lower()}"
