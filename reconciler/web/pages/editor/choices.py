"""What the form offers, and the words that explain it."""

from reconciler.core.manifest.model import AutopilotStatus, ConcurrencyPolicy, ExecutionMode
from reconciler.core.manifest.trigger import Scheme

CRONS = {
    "*/15 * * * *": "every 15 minutes",
    "0 * * * *": "every hour",
    "0 9 * * *": "every day at 09:00",
    "0 9 * * MON-FRI": "Monday to Friday at 09:00",
    "0 18 * * FRI": "every Friday at 18:00",
    "0 9 * * MON": "every Monday at 09:00",
    "0 6 1 * *": "the first of every month at 06:00",
    "@daily": "every day at midnight",
}
"""Cron expressions to begin with."""

MODES = {
    ExecutionMode.CREATE_SESSION: "opens a session",
    ExecutionMode.RUN_ONLY: "runs without one",
}
POLICIES = {
    ConcurrencyPolicy.SKIP: "the new run is skipped",
    ConcurrencyPolicy.QUEUE: "the new run waits",
    ConcurrencyPolicy.REPLACE: "the new run replaces the active one",
}
STATUSES = {
    AutopilotStatus.ACTIVE: "takes work",
    AutopilotStatus.PAUSED: "takes no work",
    AutopilotStatus.ARCHIVED: "is hidden, and its history kept",
}
SCHEMES = {
    Scheme.NONE: "Nothing is verified: whoever knows the URL starts runs.",
    Scheme.GITHUB: "GitHub signs the body; the secret is the one of the webhook's settings page.",
    Scheme.GITLAB: "GitLab sends the secret token, or signs with its whsec_ signing token.",
    Scheme.STANDARD: "Standard Webhooks and Svix: the endpoint's signing secret, copied whole.",
    Scheme.STRIPE: "Stripe's signing secret of the destination; begins with whsec_ as well.",
    Scheme.SLACK: "The app's Signing Secret, under Basic Information.",
    Scheme.LINEAR: "The signing secret on the page of the webhook.",
    Scheme.SENTRY: "The Client Secret of the internal integration.",
    Scheme.PAGERDUTY: "The secret that was shown once, when the subscription was made.",
    Scheme.SHOPIFY: "The app's client secret, or the one under Notifications, Webhooks.",
    Scheme.HMAC_SHA256: "Your own sender: HMAC-SHA256 of the body, in a header that you name.",
    Scheme.BEARER: "A password in a header; nothing is signed, so use HTTPS.",
    Scheme.BASIC: "A user name and a password; nothing is signed, so use HTTPS.",
    Scheme.MICROSOFT_GRAPH: "The clientState of the subscription.",
}
"""What a scheme verifies, and which secret it takes (docs/webhooks.md)."""
