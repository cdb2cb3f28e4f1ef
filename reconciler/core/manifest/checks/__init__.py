"""Rules about one object that no single field can tell."""

from reconciler.core.manifest.checks.autopilot import autopilot_findings
from reconciler.core.manifest.checks.finding import At, Finding, Loc
from reconciler.core.manifest.checks.names import former_name_findings, member_findings
from reconciler.core.manifest.checks.notify import channel_findings
from reconciler.core.manifest.checks.nul import nul_findings
from reconciler.core.manifest.checks.policy import OFFLINE, Policy
from reconciler.core.manifest.checks.raw import Raw
from reconciler.core.manifest.checks.result_schema import result_schema_findings
from reconciler.core.manifest.checks.runtime import precheck_findings, runtime_findings
from reconciler.core.manifest.checks.secrets import secret_findings

__all__ = ["OFFLINE", "At", "Finding", "Loc", "Policy", "check"]


def check(document: Raw, policy: Policy = OFFLINE) -> list[Finding]:
    """Everything wrong with a document beyond its structure.

    Takes canonical documents and what a manifest says alike, malformed ones included: what is not
    of the expected type is passed over, since the models report it. Never raises.
    """
    findings = [*nul_findings(document), *former_name_findings(document)]
    match document.get("kind"):
        case "Autopilot":
            findings += autopilot_findings(document)
            findings += precheck_findings(document, policy)
            findings += result_schema_findings(document)
            findings += channel_findings(document, policy)
            findings += secret_findings(document)
        case "Agent":
            findings += runtime_findings(document, policy)
            findings += secret_findings(document)
        case "Squad":
            findings += member_findings(document)
    return findings
