"""Warnings on the command line: shown in every form, and never a reason to fail."""

from tests.support.cli import BOT, Cli, autopilot

PAST = autopilot(
    "launch", more="  triggers: [{name: once, kind: schedule, at: '2020-12-01T09:00'}]\n"
)
WHERE = "autopilots/launch.yaml:8:47: warning: spec.triggers[0].at: "


def write(cli: Cli) -> None:
    cli.write(agent=BOT, launch=PAST)


def test_validate_shows_a_warning_and_succeeds(cli: Cli) -> None:
    write(cli)
    answer = cli("validate", "autopilots")
    assert answer.code == 0
    assert answer.out.startswith(WHERE)
    assert answer.out.endswith(" [moment-past]\n")
    assert answer.err == "2 objects in 2 files, no problems, 1 warning\n"


def test_warnings_stand_beside_problems(cli: Cli) -> None:
    write(cli)
    cli.write(wrong=autopilot("wrong", more="  titel: x\n"))
    answer = cli("validate", "autopilots")
    assert answer.code == 3
    assert [line.rsplit("[", 1)[1] for line in answer.out.splitlines()] == [
        "moment-past]",
        "field-unknown]",
    ]
    assert answer.err == "error: 1 problem found\n"


def test_machines_tell_warnings_apart(cli: Cli) -> None:
    write(cli)
    listed = cli("validate", "-o", "json", "autopilots").json
    assert listed["problems"] == []
    assert [entry["code"] for entry in listed["warnings"]] == ["moment-past"]
    assert cli("validate", "-o", "github", "autopilots").out.startswith("::warning file=")
    (result,) = cli("validate", "-o", "sarif", "autopilots").json["runs"][0]["results"]
    assert (result["level"], result["ruleId"]) == ("warning", "moment-past")


def test_a_plan_carries_the_warnings_of_its_manifests(cli: Cli) -> None:
    write(cli)
    shown = cli("plan", "autopilots")
    assert shown.code == 0
    assert shown.out.startswith(WHERE.removeprefix("autopilots/"))
    assert "1 warning.\n" in shown.out
    planned = cli("plan", "-o", "json", "autopilots").json
    assert [entry["code"] for entry in planned["warnings"]] == ["moment-past"]
    comment = cli("plan", "-o", "markdown", "autopilots").out
    assert "1 warning." in comment
    assert "[moment-past]" in comment


def test_warnings_change_no_digest(cli: Cli) -> None:
    write(cli)
    applied = cli("apply", "autopilots", "--yes")
    assert applied.code == 0
    again = cli("plan", "--detailed-exitcode", "autopilots")
    assert (again.code, "No changes." in again.out) == (0, True)
    assert "[moment-past]" in again.out
