"""`reconciler simulate`: what these manifests would have done, as text, JSON and Markdown."""

import pytest

from tests.support.cli import BOT, Cli, autopilot

HOURLY = """\
  triggers:
    - {name: clock, kind: schedule, cron: "0 * * * *"}
"""
DAY = ("--from", "2026-11-02T00:00:00Z", "--to", "2026-11-03T00:00:00Z")


@pytest.fixture
def manifests(cli: Cli) -> Cli:
    """An agent and an autopilot that fires every hour; nothing is applied."""
    cli.write(agent=BOT, triage=autopilot("triage", more=HOURLY))
    return cli


def test_a_simulation_needs_no_history(manifests: Cli) -> None:
    answer = manifests("simulate", "autopilots", *DAY)
    assert answer.code == 0
    assert "Would have started 24 runs instead of 0." in answer.out
    assert "default/triage  24           0        -                -" in answer.out
    assert "there is no history" in answer.err
    assert not (manifests.folder / ".reconciler").exists()


def test_machines_read_the_same(manifests: Cli) -> None:
    manifests.apply()
    document = manifests("simulate", "autopilots", *DAY, "-o", "json").json
    assert document["would"] == {"started": 24, "notStarted": {}}
    assert document["autopilots"][0]["name"] == "triage"
    assert document["cut"] is None


def test_a_pull_request_gets_a_section(manifests: Cli) -> None:
    answer = manifests("simulate", "autopilots", *DAY, "-o", "markdown")
    assert answer.out.startswith("### What it would have done\n\n**Would have started 24 runs")
    assert "| default/triage | 24 | 0 | - | - |" in answer.out
    assert answer.out.rstrip().endswith("</details>")


@pytest.mark.parametrize(
    ("period", "says"),
    [
        pytest.param(("--from", "monday", "--to", DAY[3]), "--from", id="not a moment"),
        pytest.param(("--from", DAY[3], "--to", DAY[1]), "must lie before", id="backwards"),
    ],
)
def test_a_time_that_is_none_is_a_usage_error(
    manifests: Cli, period: tuple[str, ...], says: str
) -> None:
    answer = manifests("simulate", "autopilots", *period)
    assert answer.code == 64
    assert says in answer.err


def test_invalid_manifests_are_told_as_ever(manifests: Cli) -> None:
    manifests.write(bad=autopilot("bad", more=HOURLY.replace("0 * * * *", "61 * * * *")))
    answer = manifests("simulate", "autopilots", *DAY)
    assert answer.code == 3
    assert "autopilots/bad.yaml" in answer.err
