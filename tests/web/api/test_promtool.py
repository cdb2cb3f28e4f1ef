"""What `/metrics` answers, judged by Prometheus' own tool."""

import shutil
import subprocess

from reconciler.control.counting import counting
from reconciler.core.runs.run import Failed, Reason
from tests.support.missing import missing
from tests.support.rig import Rig, agent, autopilot, schedule
from tests.support.web import Web
from tests.web.conftest import Ask


def test_prometheus_finds_nothing_wrong_with_our_metrics(rig: Rig, web: Web, ask: Ask) -> None:
    tool = shutil.which("promtool") or missing("promtool")
    rig.database.observe = counting(web.context.metrics)
    rig.apply(agent(), autopilot("triage", schedule()))
    rig.end(rig.launch(), Failed(Reason.AGENT_FAILED, "no"))
    rig.tick(minutes=1)
    ask("POST", f"/v1/webhooks/whk_{'a' * 43}")
    text = ask("GET", "/metrics").content
    done = subprocess.run([tool, "check", "metrics"], input=text, capture_output=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")
