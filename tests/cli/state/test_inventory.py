"""`drift`, `export`, `history`, `adopt`: what is there, whose it is, how it came about."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.cli import BOT, Cli, autopilot
from tests.support.git import GitFolder

TRIGGERS = """\
  description: |
    Read the issues
    and label them.
  triggers:
    - {name: nightly, kind: schedule, cron: "0 3 * * *", timezone: Europe/Rome}
    - name: ci
      kind: webhook
      signature: {scheme: github, secrets: [{env: AUTOPILOT_SECRET_DEFAULT__CI}]}
"""


@pytest.fixture
def applied(cli: Cli) -> Cli:
    """An agent and two autopilots in force."""
    cli.write(agent=BOT, one=autopilot("one", more=TRIGGERS), two=autopilot("two"))
    cli.apply()
    return cli


def edit(cli: Cli, statement: str) -> None:
    """Somebody changes the database by hand."""
    with closing(sqlite3.connect(cli.database)) as rows:
        rows.execute(statement)
        rows.commit()


@pytest.mark.parametrize(
    "command",
    [
        ["drift"], ["export"], ["history"], ["adopt", "agent", "bot"], ["pause", "--all"],
        ["resume", "one"], ["runs"], ["run", "one"], ["next", "one"], ["why", "one"],
        ["webhook", "url", "one/ci"],
    ],
    ids=lambda words: words[0],
)  # fmt: skip
def test_without_a_database_a_command_says_so_and_makes_none(cli: Cli, command: list[str]) -> None:
    answer = cli(*command)
    assert (answer.code, answer.out) == (1, "")
    assert "there is no state in sqlite:///.reconciler/state.db yet" in answer.err
    assert list(cli.folder.iterdir()) == []


class TestDrift:
    """What somebody changed by hand."""

    def test_shows_each_field_as_applied_and_as_it_is(self, applied: Cli) -> None:
        assert applied("drift").out == "No drift. Every object is as it was last applied.\n"
        edit(applied, "UPDATE autopilot SET title = 'Changed' WHERE name = 'one'")
        answer = applied("drift", "--detailed-exitcode")
        assert answer.code == 2
        assert 'spec.title: "A title" -> "Changed"' in answer.out
        (entry,) = applied("drift", "-o", "json").json["drift"]
        assert entry["fields"] == [
            {"path": "spec.title", "before": "A title", "after": "Changed"},
        ]

    def test_is_put_back_by_the_next_apply(self, applied: Cli) -> None:
        edit(applied, "UPDATE autopilot SET title = 'Changed' WHERE name = 'one'")
        assert "1 to update" in applied.apply().out
        assert applied("drift", "--detailed-exitcode").code == 0

    def test_of_one_source_only(self, applied: Cli) -> None:
        edit(applied, "UPDATE autopilot SET title = 'Changed' WHERE name = 'one'")
        assert applied("drift", "--source", "other", "--detailed-exitcode").code == 0
        assert applied("drift", "--source", "default", "--detailed-exitcode").code == 2


class TestExport:
    """Manifests of what is there."""

    def test_a_plan_of_what_was_written_is_empty(self, applied: Cli) -> None:
        answer = applied("export", "-d", "out")
        assert (answer.code, answer.out) == (0, "")
        assert answer.err.startswith("wrote 3 of 3 files below out")
        assert sorted(str(file) for file in Path("out").rglob("*.yaml")) == [
            "out/default/bot.yaml",
            "out/default/one.yaml",
            "out/default/two.yaml",
        ]
        assert applied("plan", "out", "--detailed-exitcode").code == 0
        applied("export", "-d", "json", "-o", "json")
        assert applied("plan", "json", "--detailed-exitcode").code == 0

    def test_the_stream_is_a_source_as_it_stands(self, applied: Cli) -> None:
        stream = applied("export").out
        assert "AUTOPILOT_SECRET_DEFAULT__CI" in stream
        assert applied("plan", "-", "--detailed-exitcode", stdin=stream).code == 0

    def test_json_is_a_list_of_documents(self, applied: Cli) -> None:
        actual = applied("export", "-o", "json").json
        assert [item_["metadata"]["name"] for item_ in actual] == ["bot", "one", "two"]

    def test_a_plan_of_the_json_is_empty_too(self, applied: Cli) -> None:
        stream = applied("export", "-o", "json").out
        answer = applied("plan", "-", "--detailed-exitcode", stdin=stream)
        assert (answer.code, answer.err) == (0, "")

    def test_a_problem_in_a_list_names_its_item(self, applied: Cli) -> None:
        stream = applied("export", "-o", "json").out.replace('"title"', '"titel"')
        answer = applied("plan", "-", stdin=stream)
        assert answer.code == 3
        assert "<stdin>[1]:1:" in answer.err
        assert "did you mean 'title'?" in answer.err

    @pytest.mark.parametrize(
        "text", ["[", "[]", '[{"a": 1, "a": 2}]', "[" * 100_000, "[1, null]", "[a, b]"]
    )
    def test_any_other_list_is_a_problem(self, applied: Cli, text: str) -> None:
        assert applied("plan", "-", stdin=text).code in (3, 4)

    def test_two_kinds_may_share_a_name(self, applied: Cli) -> None:
        applied.write(same=autopilot("bot"))
        applied.apply()
        applied("export", "-d", "out")
        assert Path("out/default/bot.yaml").read_text().count("kind: Autopilot") == 1
        assert Path("out/default/bot.agent.yaml").read_text().count("kind: Agent") == 1
        assert applied("plan", "out", "--detailed-exitcode").code == 0

    def test_nothing_is_overwritten_unasked(self, applied: Cli) -> None:
        applied("export", "-d", "out")
        Path("out/default/one.yaml").write_text("mine\n")
        Path("out/default/two.yaml").unlink()
        answer = applied("export", "-d", "out")
        assert answer.code == 4
        assert "out/default/one.yaml is there already; --force overwrites it" in answer.err
        assert not Path("out/default/two.yaml").exists()
        assert Path("out/default/one.yaml").read_text() == "mine\n"
        assert applied("export", "-d", "out", "--force").code == 0
        assert applied("plan", "out", "--detailed-exitcode").code == 0

    def test_only_this_source_unless_all_are_wanted(self, applied: Cli) -> None:
        other = autopilot("three").replace("id: bot", "id: bot")
        answer = applied("apply", "-", "--yes", "--source", "other", stdin=other)
        assert answer.code == 0
        assert "three" not in applied("export").out
        assert "two" not in applied("export", "--source", "other").out
        assert len(applied("export", "--all", "-o", "json").json) == 4

    @pytest.mark.parametrize(
        "statement",
        [
            pytest.param("UPDATE autopilot SET name = '../../up' WHERE name = 'one'", id="a name"),
            pytest.param("UPDATE autopilot SET spec = '[1]' WHERE name = 'one'", id="other JSON"),
        ],
    )
    def test_what_no_manifest_can_say_is_not_written(self, applied: Cli, statement: str) -> None:
        edit(applied, statement)
        answer = applied("export", "-d", "out")
        assert answer.code == 1
        assert "reconciler drift" in answer.err
        assert not Path("out").exists()

    def test_a_folder_that_cannot_be_written_is_said(self, applied: Cli) -> None:
        Path("out").mkdir()
        Path("out/default").write_text("a file")
        answer = applied("export", "-d", "out")
        assert answer.code == 1
        assert answer.err.startswith("error: cannot write out/default")


class TestHistory:
    """Every revision that was tried."""

    def test_lists_them_newest_first(self, applied: Cli) -> None:
        applied.write(two=autopilot("two", more="  timeout: soon\n"))
        applied("apply", "autopilots", "--yes")
        head, failed, first = applied("history").out.splitlines()
        assert head.split() == [
            "WHEN", "SOURCE", "REVISION", "RESULT", "CHANGES", "BY", "VIA", "SUBJECT",
        ]  # fmt: skip
        assert failed.split()[3:6] == ["failed", "1", "problem"]
        assert first.split()[3:6] == ["applied", "3", "create"]
        assert "timeout" not in applied("history").out
        assert "two.yaml:8:12: spec.timeout: " in applied("history", "--problems").out

    def test_reasons_of_a_refusal_have_no_place(self, applied: Cli) -> None:
        for name in ("agent", "one", "two"):
            applied.remove(name)
        applied("apply", "-", "--yes", stdin=BOT.replace("bot", "other"))
        lines = applied("history", "--problems").out.splitlines()
        assert lines[1].split()[3] == "refused"
        assert lines[2].startswith("    all 3 objects of source 'default' would be archived")

    def test_a_reason_names_its_object_once(self, applied: Cli) -> None:
        applied("apply", "-", "--yes", "--source", "other", stdin=BOT)
        lines = applied("history", "--problems").out.splitlines()
        assert lines[2].startswith("    Agent default/bot: source 'default' owns it")

    def test_of_many_problems_the_number_is_shown(self, applied: Cli) -> None:
        applied("apply", "-", "--yes", stdin="---\na\n" * 3000)
        answer = applied("history", "--problems")
        assert "3,000 problems" in answer.out
        assert "… and 2,900 more; `reconciler validate` shows all" in answer.out
        assert len(answer.out.splitlines()) == 104

    def test_json_says_all_that_is_known(self, applied: Cli) -> None:
        (entry,) = applied("history", "-o", "json").json
        assert list(entry) == [
            "id", "sourceId", "revision", "author", "subject", "committedAt", "actor", "via",
            "result", "digest", "counts", "problems", "problemCount", "createdAt",
        ]  # fmt: skip
        assert (entry["via"], entry["result"]) == ("cli", "applied")
        assert entry["counts"]["create"] == 3
        assert len(entry["digest"]) == 64

    def test_is_bounded_and_of_one_source_on_request(self, applied: Cli) -> None:
        applied("apply", "-", "--yes", "--source", "other", stdin=BOT.replace("bot", "other"))
        assert len(applied("history", "-o", "json").json) == 2
        assert len(applied("history", "-o", "json", "--limit", "1").json) == 1
        (entry,) = applied("history", "-o", "json", "--source", "other").json
        assert entry["sourceId"] == "other"

    def test_a_subject_cannot_forge_a_line(self, cli: Cli) -> None:
        repository = GitFolder.make(cli.folder)
        cli.write(agent=BOT)
        repository.write(".gitignore", ".reconciler/\n")
        repository.commit("evil \x1b[31m\x0btext")
        cli.apply()
        assert "\x1b" not in cli("history").out
        assert len(cli("history").out.splitlines()) == 2


class TestAdopt:
    """What no source owns is taken over by name."""

    def test_an_object_that_no_source_owns(self, applied: Cli) -> None:
        edit(applied, "UPDATE agent SET source_id = NULL")
        assert "[not-adopted]" in applied("plan", "autopilots").err
        answer = applied("adopt", "Agent", "default/bot")
        assert (answer.code, answer.out) == (0, "Agent default/bot belongs to source 'default'\n")
        assert applied("plan", "autopilots", "--detailed-exitcode").code == 0

    def test_json(self, applied: Cli) -> None:
        actual = applied("adopt", "agent", "bot", "-o", "json").json
        assert {**actual, "id": ""} == {
            "id": "", "kind": "Agent", "workspace": "default", "name": "bot",
            "sourceId": "default",
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("words", "code", "says"),
        [
            pytest.param(["agent", "nobody"], 1, "there is no Agent", id="not there"),
            pytest.param(["agnet", "bot"], 64, "did you mean 'agent'?", id="no kind"),
            pytest.param(
                ["agent", "bot", "--source", "mine"], 1, "belongs to source 'default'",
                id="another source's",
            ),
        ],
    )  # fmt: skip
    def test_what_cannot_be_adopted(
        self, applied: Cli, words: list[str], code: int, says: str
    ) -> None:
        answer = applied("adopt", *words)
        assert answer.code == code
        assert says in answer.err


class TestSwitches:
    """`pause` and `resume`."""

    def test_one(self, applied: Cli) -> None:
        answer = applied("pause", "one", "--reason", "holidays")
        assert answer.code == 0
        assert answer.out.startswith("default/one: paused since ")
        assert answer.out.endswith(": holidays\n")
        assert applied("plan", "autopilots", "--detailed-exitcode").code == 0
        assert applied("resume", "one").out == "default/one: takes work\n"

    def test_all_as_json(self, applied: Cli) -> None:
        actual = applied("pause", "--all", "-o", "json").json
        assert [(item_["name"], item_["pausedAt"] is not None) for item_ in actual] == [
            ("one", True),
            ("two", True),
        ]
        assert [item_["pausedAt"] for item_ in applied("resume", "--all", "-o", "json").json] == [
            None,
            None,
        ]

    def test_pausing_again_keeps_the_first_reason(self, applied: Cli) -> None:
        applied("pause", "one", "--reason", "first")
        assert applied("pause", "one", "--reason", "second").out.endswith(": first\n")

    def test_a_manifest_that_pauses_is_not_overruled(self, applied: Cli) -> None:
        applied.write(two=autopilot("two", more="  status: paused\n"))
        applied.apply()
        assert applied("resume", "two").out == "default/two: still paused, as its manifest says\n"

    @pytest.mark.parametrize("words", [[], ["one", "--all"]], ids=["neither", "both"])
    def test_say_which(self, applied: Cli, words: list[str]) -> None:
        assert applied("pause", *words).code == 64
        assert applied("resume", *words).code == 64

    def test_a_name_that_is_not_there(self, applied: Cli) -> None:
        assert applied("pause", "nobody").code == 1
