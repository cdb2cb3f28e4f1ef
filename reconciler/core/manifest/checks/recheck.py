"""What is wrong with objects that did not come from files: those of a saved plan.

The rules are those of manifests; places are the starts of the documents, since the
texts are not at hand.
"""

from collections.abc import Callable, Iterator

from reconciler.core.base.errors import Problem
from reconciler.core.base.identity import Key
from reconciler.core.manifest.checks import Finding, Policy, check
from reconciler.core.manifest.references import Scope, reference_findings
from reconciler.core.manifest.state import Declared, Desired


def problems_of(
    desired: Desired, policy: Policy, external: Callable[[Key], bool] | None = None
) -> tuple[Problem, ...]:
    """Every Problem of valid models that are held against `policy`, in path and line order.

    `external` tells whether another source has an object; references are not looked at without it.
    """
    problems = [*_alone(desired, policy)]
    if external is not None:
        problems += _between(desired, external)
    return tuple(sorted(problems))


def _alone(desired: Desired, policy: Policy) -> Iterator[Problem]:
    for declared in desired.objects.values():
        for finding in check(declared.document, policy):
            yield _problem(declared, finding)


def _between(desired: Desired, external: Callable[[Key], bool]) -> Iterator[Problem]:
    documents = {key: declared.document for key, declared in desired.objects.items()}
    subjects = ((declared, declared.document) for declared in desired.objects.values())
    for declared, finding in reference_findings(Scope(documents, external=external), subjects):
        yield _problem(declared, finding)


def _problem(declared: Declared, finding: Finding) -> Problem:
    at = declared.origin
    field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in finding.loc)
    return Problem(
        at.path, at.line, at.column, field.lstrip("."), finding.message, str(finding.code)
    )
