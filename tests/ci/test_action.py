"""The action for GitHub: its own steps, run with bash in a real repository, before a forge."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler import __version__
from tests.ci.conftest import PullRequest
from tests.support.cli import Cli, autopilot
from tests.support.comments_api import TOKEN, ForgeServer
from tests.support.pages import ROOT
from tests.support.process import site
from tests.support.workflow import Runner

ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
DATABASE = "sqlite:///../state.db"


class Action:
    """The action as a job of a pull request, or of a push, uses it."""

    def __init__(self, request: PullRequest, forge: ForgeServer, temp: Path) -> None:
        self.request, self.forge, self.temp = request, forge, temp

    def __call__(
        self, event: str = "pull_request", *, fork: bool = False, **inputs: str
    ) -> tuple[int, Runner]:
        home = "acme/automations"
        github = {
            "event_name": event,
            "repository": home,
            "token": TOKEN,
            "event": {
                "pull_request": {
                    "number": 5,
                    "base": {"sha": self.request.base},
                    "head": {"repo": {"full_name": "eve/automations" if fork else home}},
                }
            },
        }
        api = {name: self.forge.github[name] for name in ("GITHUB_API_URL", "GITHUB_REPOSITORY")}
        temp = self.temp / str(len(list(self.temp.iterdir())))
        runner = Runner(self.request.folder, temp, {"github": github}, api)
        values = {name: runner.text(item["default"]) for name, item in ACTION["inputs"].items()}
        sent = {name.replace("_", "-"): value for name, value in inputs.items()}
        runner.contexts["inputs"] = {**values, "install": "false", **sent}
        return runner.run(ACTION["runs"]["steps"]), runner


@pytest.fixture
def action(pull_request: PullRequest, forge: ForgeServer, tmp_path: Path) -> Action:
    (tmp_path / "temp").mkdir()
    return Action(pull_request, forge, tmp_path / "temp")


def only_comment(forge: ForgeServer) -> str:
    (body,) = forge.bodies
    return str(body)


def test_one_comment_follows_the_pushes_of_a_pull_request(
    action: Action, forge: ForgeServer
) -> None:
    action.request.push(report=autopilot("report", title="Better"))
    code, runner = action()
    assert (code, runner.ran) == (0, ["Validate", "Plan", "Comment", "Result"])
    assert '+ spec.title: "Better"' in only_comment(forge)
    assert runner.summary == only_comment(forge)

    action.request.push(report=autopilot("report", title="Better", more="  timeout: soon\n"))
    code, runner = action()
    assert code == 3
    assert "::error file=autopilots/report.yaml,line=8,col=12" in runner.output
    assert "**1 problem found.** Nothing will be applied." in only_comment(forge)
    assert "Better" not in only_comment(forge)

    action.request.push(report=autopilot("report", title="Best"))
    assert action()[0] == 0
    assert '+ spec.title: "Best"' in only_comment(forge)


def test_with_a_database_the_plan_is_shown_applied_and_then_empty(
    action: Action, forge: ForgeServer
) -> None:
    assert action(database=DATABASE)[0] == 0
    assert "**Plan: 2 to create" in only_comment(forge)
    code, runner = action("push", database=DATABASE)
    assert (code, runner.ran) == (0, ["Apply"])
    assert "applied revision" in runner.output
    assert action(database=DATABASE)[0] == 0
    assert "No changes." in only_comment(forge)


def test_a_plan_that_cannot_be_made_replaces_the_old_one(
    action: Action, forge: ForgeServer
) -> None:
    action.request.push(report=autopilot("report", title="Better"))
    action()
    code, _ = action(database="postgresql://127.0.0.1:1/nothing")
    assert code != 0
    assert "**No plan could be made.** Nothing will be applied." in only_comment(forge)
    assert "Better" not in only_comment(forge)


def test_a_fork_has_its_plan_in_the_summary_only(action: Action, forge: ForgeServer) -> None:
    action.request.push(report=autopilot("report", title="Better"))
    code, runner = action(fork=True)
    assert (code, forge.calls) == (0, [])
    assert '+ spec.title: "Better"' in runner.summary


def test_removals_are_applied_with_their_number_only(action: Action) -> None:
    assert action("push", database=DATABASE)[0] == 0
    (action.request.folder / "autopilots" / "report.yaml").unlink()
    action.request.push()
    (action.request.folder / "autopilots" / "bot.yaml").rename(action.request.folder / "b")
    action.request.push(other=autopilot("other").replace("id: bot", "id: bit"))
    assert action("push", database=DATABASE)[0] == 3
    (action.request.folder / "b").rename(action.request.folder / "autopilots" / "bot.yaml")
    action.request.push(other=autopilot("other"))
    assert action("push", database=DATABASE, confirm_deletes="1")[0] == 0


def test_apply_without_a_place_to_apply_to_is_an_error(action: Action) -> None:
    code, runner = action("push")
    assert code == 64
    assert "::error::apply needs a server or a database" in runner.output


def test_problems_go_into_a_file_for_code_scanning(action: Action) -> None:
    action.request.push(report=autopilot("report", more="  timeout: soon\n"))
    assert action(sarif="problems.sarif")[0] == 3
    sarif = yaml.safe_load((action.request.folder / "problems.sarif").read_text())
    assert [entry["ruleId"] for entry in sarif["runs"][0]["results"]] == ["duration-invalid"]


def test_no_step_prints_a_token(action: Action) -> None:
    _, runner = action(token="rct_secret", database=DATABASE)
    assert TOKEN not in runner.output + runner.summary
    assert "rct_secret" not in runner.output + runner.summary


def test_it_installs_this_version() -> None:
    assert ACTION["inputs"]["install"]["default"] == f"autopilot-reconciler=={__version__}"


def test_each_input_is_used_and_each_that_is_used_is_there() -> None:
    text = (ROOT / "action.yml").read_text().partition("runs:")[2]
    for name in ACTION["inputs"]:
        assert f"inputs.{name}" in text
    steps: list[dict[str, Any]] = ACTION["runs"]["steps"]
    assert all(step["shell"] == "bash" for step in steps)


def test_through_a_server_a_planner_plans_and_only_an_admin_applies(
    action: Action, forge: ForgeServer, cli: Cli
) -> None:
    tokens = cli.folder / "tokens.json"
    planner, admin = (
        cli(
            "token", "new", "--role", role, "--name", role, "--tokens-file", str(tokens)
        ).out.strip()
        for role in ("planner", "admin")
    )
    with site(cli.folder, f"sqlite:///{cli.folder / 'state.db'}") as place:
        place.follows = ()
        url = place.serve(RECONCILER_TOKENS_FILE=str(tokens)).url
        assert action(server=url, token=planner)[0] == 0
        assert "**Plan: 2 to create" in only_comment(forge)
        code, runner = action("push", server=url, token=planner)
        assert code != 0
        assert "applied" not in runner.output
        assert action("push", server=url, token=admin)[0] == 0
        assert action(server=url, token=planner)[0] == 0
        assert "No changes." in only_comment(forge)
        action.request.push(report=autopilot("report", more="  timeout: soon\n"))
        assert action(server=url, token=planner)[0] == 3
        assert "**1 problem found.**" in only_comment(forge)
        code, runner = action(server=url, token="rct_wrong")
        assert code != 0
        assert "**No plan could be made.**" in only_comment(forge)
