"""`validate` and `schema`: offline, every Problem at once, in path and line order."""

import json
import re
from pathlib import Path

import pytest

from reconciler.control.apply.policy import policy_of
from reconciler.core.manifest.checks import OFFLINE
from reconciler.settings import Settings
from tests.support.cli import BOT, Cli, autopilot

MISTAKES = {
    "a-syntax": "kind: [\n",
    "b-kind": "apiVersion: autopilots/v1\nkind: Autopliot\nmetadata: {name: b}\nspec: {}\n",
    "c-title": autopilot("c").replace("  title: A title\n", ""),
    "d-field": autopilot("d", more="  concurencyPolicy: skip\n"),
    "e-type": autopilot("e", more="  maxConcurrency: many\n"),
    "f-zone": autopilot(
        "f",
        more='  triggers: [{name: t, kind: schedule, cron: "0 9 * * *", timezone: Berlin}]\n',
    ),
    "g-cron": autopilot("g", more='  triggers: [{name: t, kind: schedule, cron: "0 25 * * *"}]\n'),
    "h-assignee": autopilot("h").replace("id: bot", "id: bto"),
    "i-secret": (
        "apiVersion: autopilots/v1\nkind: Agent\nmetadata: {name: i}\n"
        "spec: {runtime: {type: http, url: http://localhost, secret: {env: PATH}}}\n"
    ),
    "j-duplicate": BOT,
}
CODES = {
    "a-syntax": "yaml-syntax",
    "b-kind": "kind-unknown",
    "c-title": "field-missing",
    "d-field": "field-unknown",
    "e-type": "field-type",
    "f-zone": "timezone-unknown",
    "g-cron": "cron-invalid",
    "h-assignee": "assignee-unknown",
    "i-secret": "secret-workspace",
    "j-duplicate": "object-duplicate",
}


def test_ten_mistakes_in_ten_files_are_ten_lines_in_order(cli: Cli) -> None:
    cli.write(agent=BOT.replace("bot", "other"), **{"0": BOT}, **MISTAKES)
    answer = cli("validate", "autopilots")
    lines = answer.out.splitlines()
    found = [re.fullmatch(r"autopilots/(\S+)\.yaml:(\d+):(\d+): .+ \[(\S+)\]", x) for x in lines]
    assert {one[1]: one[4] for one in found if one} == CODES
    assert [one[1] for one in found if one] == sorted(MISTAKES)
    assert len(lines) == 10
    assert answer.err == "error: 10 problems found\n"
    assert answer.code == 3


def test_problems_of_one_file_are_in_line_order(cli: Cli) -> None:
    cli.write(agent=BOT, one=autopilot("one", more="  retry: {limit: 99}\n  queueTtl: soon\n"))
    lines = cli("validate", "autopilots").out.splitlines()
    assert [line.split(":")[1] for line in lines] == ["8", "9"]


@pytest.mark.parametrize(
    ("form", "pattern"),
    [
        pytest.param("json", r'"path": "autopilots/one.yaml"', id="json"),
        pytest.param("github", r"^::error file=autopilots/one.yaml,line=6", id="annotations"),
        pytest.param("sarif", r'"uri": "autopilots/one.yaml"', id="sarif"),
    ],
)
def test_every_format_leads_to_the_file(cli: Cli, form: str, pattern: str) -> None:
    cli.write(agent=BOT, one=autopilot("one", title="''"))
    answer = cli("validate", "./autopilots/", "-o", form)
    assert answer.code == 3
    assert re.search(pattern, answer.out, re.MULTILINE)


def test_what_is_fine_prints_nothing_to_stdout(cli: Cli) -> None:
    cli.write(agent=BOT, one=autopilot("one"))
    answer = cli("validate", "autopilots")
    assert (answer.code, answer.out) == (0, "")
    assert answer.err == "2 objects in 2 files, no problems\n"
    assert cli("validate", "autopilots", "-o", "json").json == {
        "formatVersion": 1,
        "problems": [],
        "warnings": [],
    }


class TestPaths:
    """Several paths are one set."""

    def test_references_resolve_over_all_of_them(self, cli: Cli) -> None:
        cli.write(team__agent=BOT, other__one=autopilot("one"))
        assert cli("validate", "autopilots/other").code == 3
        assert cli("validate", "autopilots/other", "autopilots/team").code == 0
        assert cli("validate", "autopilots/other/one.yaml", "autopilots/team/agent.yaml").code == 0

    def test_a_name_is_declared_once_in_all(self, cli: Cli) -> None:
        cli.write(team__agent=BOT, other__agent=BOT)
        answer = cli("validate", "autopilots/team", "autopilots/other")
        assert answer.out == (
            "autopilots/team/agent.yaml:3:18: metadata.name: Agent default/bot is declared twice, "
            "first at autopilots/other/agent.yaml:1:1 [object-duplicate]\n"
        )

    def test_a_file_given_twice_is_read_once(self, cli: Cli) -> None:
        cli.write(agent=BOT)
        answer = cli("validate", "autopilots", "autopilots/agent.yaml", ".", "./autopilots")
        assert answer.code == 0
        assert answer.err.startswith("1 object in 1 file")

    def test_two_files_of_one_folder_each_keep_their_places(self, cli: Cli) -> None:
        cli.write(a=autopilot("a"), b="\n" + autopilot("b"))
        answer = cli("validate", "autopilots/a.yaml", "autopilots/b.yaml")
        assert [line.split(": ")[0] for line in answer.out.splitlines()] == [
            "autopilots/a.yaml:7:31",
            "autopilots/b.yaml:8:31",
        ]

    def test_a_stream_has_its_places(self, cli: Cli) -> None:
        answer = cli("validate", "-", stdin=f"{BOT}---\n{autopilot('one', title='7')}")
        assert answer.out.startswith("<stdin>:12:10: spec.title: ")
        assert answer.code == 3

    def test_references_to_other_sources_are_allowed_on_request(self, cli: Cli) -> None:
        cli.write(one=autopilot("one"))
        assert "--allow-external" in cli("validate", "autopilots").out
        assert cli("validate", "autopilots", "--allow-external").code == 0

    @pytest.mark.parametrize("path", ["nothing-here", "empty"])
    def test_no_manifests_at_all_are_refused(self, cli: Cli, path: str) -> None:
        (cli.folder / "empty").mkdir()
        answer = cli("validate", path)
        assert (answer.code, answer.out) == (4, "")
        assert answer.err.startswith("refused:\n")


class TestPolicy:
    """What manifests may reach is the operator's choice, here as in `plan`."""

    FAR = (
        "apiVersion: autopilots/v1\nkind: Agent\nmetadata: {name: far}\n"
        "spec: {runtime: {type: http, url: 'https://far.example'}}\n"
    )

    def test_without_settings_it_is_that_of_the_defaults(self, cli: Cli) -> None:
        assert policy_of(Settings.load(), offline=True) == OFFLINE

    def test_settings_widen_it(self, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
        cli.write(far=self.FAR)
        assert cli("validate", "autopilots").code == 3
        Path("settings.toml").write_text('allowed_runtime_urls = ["https://far.example"]\n')
        assert cli("validate", "autopilots", "--config", "settings.toml").code == 0
        monkeypatch.setenv("RECONCILER_ALLOWED_RUNTIME_URLS", "https://far.example")
        assert cli("validate", "autopilots").code == 0

    def test_bound_programs_are_the_only_ones(self, cli: Cli) -> None:
        cli.write(
            agent="apiVersion: autopilots/v1\nkind: Agent\nmetadata: {name: c}\n"
            "spec: {runtime: {type: command, program: report}}\n"
        )
        assert cli("validate", "autopilots").code == 0
        assert cli("validate", "autopilots", "--allow-command", "other=/bin/true").code == 3
        assert cli("validate", "autopilots", "--allow-command", "report=/bin/true").code == 0


def test_hostile_text_cannot_forge_a_line(cli: Cli) -> None:
    cli.write(agent=BOT, one=autopilot("one", more='  "x\\nautopilots/ok.yaml:1:1: fine": 1\n'))
    answer = cli("validate", "autopilots")
    assert len(answer.out.splitlines()) == 1
    assert "\x1b" not in cli("validate", "autopilots").out


class TestSchema:
    """`schema [KIND]`."""

    @pytest.mark.parametrize("kind", ["autopilot", "Agent", "SQUAD", "manifest"])
    def test_is_that_which_is_published(self, cli: Cli, kind: str) -> None:
        published = Path(__file__).parents[3] / "schemas" / f"{kind.lower()}.schema.json"
        assert cli("schema", kind).out == published.read_text()

    def test_is_that_of_any_manifest_by_default(self, cli: Cli) -> None:
        assert json.loads(cli("schema").out)["title"] == "Manifest"

    def test_another_kind_is_a_usage_error(self, cli: Cli) -> None:
        answer = cli("schema", "autopilt")
        assert (answer.code, answer.out) == (64, "")
        assert "did you mean 'autopilot'?" in answer.err
