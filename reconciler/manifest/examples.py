"""One good manifest of each kind: what editors show, and what the schemas are tried on."""

from typing import Any

from reconciler.core.manifest.model import API_VERSION, Kind

EXAMPLES: dict[str, dict[str, Any]] = {
    Kind.AUTOPILOT.value: {
        "apiVersion": API_VERSION,
        "kind": "Autopilot",
        "metadata": {"name": "nightly-triage", "workspace": "platform"},
        "spec": {
            "title": "Nightly issue triage",
            "description": "Read the issues opened since yesterday and label them.\n",
            "assignee": {"type": "agent", "id": "triage-bot"},
            "concurrencyPolicy": "queue",
            "issueTitleTemplate": "Triage {{ date }}",
            "triggers": [
                {
                    "name": "weekdays",
                    "kind": "schedule",
                    "cron": "0 9 * * MON-FRI",
                    "timezone": "Europe/Rome",
                },
                {
                    "name": "ci",
                    "kind": "webhook",
                    "signature": {
                        "scheme": "github",
                        "secrets": [{"env": "AUTOPILOT_SECRET_PLATFORM__CI"}],
                    },
                    "when": 'headers["x-github-event"] == "push"',
                },
                {"name": "release", "kind": "api"},
            ],
        },
    },
    Kind.AGENT.value: {
        "apiVersion": API_VERSION,
        "kind": "Agent",
        "metadata": {"name": "triage-bot", "workspace": "platform"},
        "spec": {
            "maxConcurrency": 4,
            "runtime": {
                "type": "aegis",
                "url": "http://127.0.0.1:9100",
                "token": {"env": "AUTOPILOT_SECRET_PLATFORM__AEGIS"},
                "workDir": "/srv/agents/triage",
                "permissionMode": "plan",
            },
        },
    },
    Kind.SQUAD.value: {
        "apiVersion": API_VERSION,
        "kind": "Squad",
        "metadata": {"name": "reviewers", "workspace": "platform"},
        "spec": {"members": ["review-bot", "triage-bot"], "strategy": "leader"},
    },
}
