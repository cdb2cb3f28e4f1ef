"""Prometheus scrapes a server, a rule fires, and Alertmanager starts a run by a webhook."""

from pathlib import Path

from reconciler.control.access.tokens import Tokens
from reconciler.core.access.token_hash import token_hash
from reconciler.core.runs.run import Failed, Reason
from reconciler.core.webhooks.token import webhook_token
from reconciler.settings import Settings
from tests.support.eventually import eventually
from tests.support.prometheus import WITHIN, watched
from tests.support.rig import KEY, Rig, agent, autopilot, webhook
from tests.support.web import Web

TOKEN = f"rct_{'m' * 43}"
SECRET = "of the alertmanager"
RULE = {
    "alert": "BreakerOpen",
    "expr": "reconciler_breaker_open > 0",
    "labels": {"severity": "critical"},
    "annotations": {"summary": "{{ $value }} breaker is open"},
}


def test_an_alert_about_us_starts_a_run(rig: Rig, tmp_path: Path) -> None:
    signature = {"scheme": "bearer", "secrets": [{"env": "AUTOPILOT_SECRET_DEFAULT__ALERTS"}]}
    fires = webhook(signature=signature, when='payload.status == "firing"')
    title = "{{ payload.commonLabels.alertname }}: {{ payload.commonAnnotations.summary }}"
    rig.apply(
        agent(),
        autopilot("broken", pauseAfterFailures=1),
        autopilot("incident", fires, issueTitleTemplate=title),
    )
    tokens = tmp_path / "tokens.toml"
    hashed = token_hash(TOKEN)
    tokens.write_text(f'[[token]]\nname = "metrics"\nrole = "viewer"\nsha256 = "{hashed}"\n')
    web = Web(
        rig,
        secrets={"AUTOPILOT_SECRET_DEFAULT__ALERTS": SECRET},
        settings=Settings(metrics_access="viewer"),
        authority=Tokens(tokens, rig.clock),
    )
    hook = webhook_token(KEY, rig.triggers("incident")["hook"].id, 1)
    with web.served() as url:
        receiver = {
            "url": f"{url}/v1/webhooks/{hook}",
            "http_config": {"authorization": {"credentials": SECRET}},
        }
        target = url.removeprefix("http://")
        with watched(tmp_path, target, TOKEN, RULE, receiver) as prometheus:
            eventually(lambda: prometheus.value("reconciler_breaker_open") == 0, WITHIN)
            rig.end(rig.launch("broken"), Failed(Reason.AGENT_FAILED, "no"))
            started = eventually(lambda: rig.runs("incident"), WITHIN)
            eventually(lambda: [t["health"] for t in prometheus.targets()] == ["up"], WITHIN)
    assert [run.title for run in started] == ["BreakerOpen: 1 breaker is open"]
    assert started[0].payload["alerts"][0]["labels"]["severity"] == "critical"
