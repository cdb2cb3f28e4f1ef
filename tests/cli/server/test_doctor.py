"""`reconciler doctor`: one line for each part, how to fix it, and 1 where something is wrong."""

import pytest

from tests.support.cli import BOT, Cli, autopilot

HOOK = """\
  triggers:
    - name: ci
      kind: webhook
      signature: {scheme: github, secrets: [{env: AUTOPILOT_SECRET_DEFAULT__CI}]}
"""


def test_what_is_wrong_is_said_with_its_cure_and_the_exit_code_is_1(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.write(agent=BOT, triage=autopilot("triage", more=HOOK))
    cli.apply()
    answer = cli("doctor")
    assert answer.code == 1
    assert "error    secrets   webhook default/triage/ci can take no delivery" in answer.out
    assert "                   -> set it for the server" in answer.out
    assert answer.out.splitlines()[-1] == "1 error, 2 warnings"
    monkeypatch.setenv("AUTOPILOT_SECRET_DEFAULT__CI", "s3cret")
    assert cli("doctor").code == 0, "no server and a local URL are warnings"


def test_machines_read_the_same(cli: Cli) -> None:
    cli.write(agent=BOT, triage=autopilot("triage"))
    cli.apply()
    report = cli("doctor", "-o", "json").json
    assert report["ok"] is True
    server = next(check for check in report["checks"] if check["subject"] == "server")
    assert server == {
        "subject": "server",
        "verdict": "warning",
        "message": "no server is running: nothing fires",
        "fix": "run `reconciler serve`",
    }


def test_wrong_settings_are_a_finding_and_not_a_usage_error(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECONCILER_PORT", "many")
    monkeypatch.setenv("RECONCILER_LEASE", "soon")
    answer = cli("doctor", "-o", "json")
    assert answer.code == 1
    messages = [check["message"] for check in answer.json["checks"]]
    assert [message.split(":")[0] for message in messages] == ["setting 'port'", "setting 'lease'"]


def test_without_a_database_nothing_is_made(cli: Cli) -> None:
    answer = cli("doctor")
    assert answer.code == 1
    assert "there is no state in sqlite:///.reconciler/state.db yet" in answer.out
    assert not (cli.folder / ".reconciler").exists()
