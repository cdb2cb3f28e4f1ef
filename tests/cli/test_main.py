"""The command as a whole: help, usage errors, exit codes, outputs, completion."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler import __version__
from reconciler.cli.main import COMMANDS
from tests.support.cli import BOT, Cli, autopilot, environment, reconciler


class TestHelp:
    """Every command says what it does."""

    def test_lists_every_command(self, cli: Cli) -> None:
        answer = cli("--help")
        assert answer.code == 0
        for name, command in COMMANDS.items():
            assert f" {name} " in answer.out
            assert command.summary in answer.out

    @pytest.mark.parametrize("name", COMMANDS)
    def test_each_command_has_its_own(self, cli: Cli, name: str) -> None:
        answer = cli(name, "--help")
        assert (answer.code, answer.err) == (0, "")
        assert f"Usage: reconciler {name} " in answer.out
        assert cli(name, "-h").out == answer.out

    def test_version(self, cli: Cli) -> None:
        assert cli("--version").out == f"reconciler {__version__}\n"


class TestUsage:
    """Exit code 64: 2 means that there are changes."""

    @pytest.mark.parametrize(
        "words",
        [
            pytest.param([], id="no command"),
            pytest.param(["pln"], id="no such command"),
            pytest.param(["plan"], id="a missing argument"),
            pytest.param(["plan", "a", "b"], id="one too many"),
            pytest.param(["plan", ".", "--nope"], id="no such option"),
            pytest.param(["plan", ".", "-o", "yaml"], id="no such format"),
            pytest.param(["apply", ".", "--confirm-deletes", "all"], id="no number"),
            pytest.param(["apply", ".", "--confirm-deletes", "-1"], id="a number out of range"),
            pytest.param(["history", "--limit", "0"], id="a limit out of range"),
            pytest.param(["webhook"], id="a group without a command"),
            pytest.param(["plan", ".", "--config", "missing.toml"], id="no such file"),
            pytest.param(["plan", ".", "--database", "mysql://x"], id="another database"),
            pytest.param(["plan", ".", "--allow-command", "x"], id="a bad setting"),
        ],
    )
    def test_what_is_not_understood(self, cli: Cli, words: list[str]) -> None:
        answer = cli(*words)
        assert answer.code == 64
        assert answer.out == "" or not words or words == ["webhook"]
        assert "Traceback" not in answer.err

    def test_a_value_that_may_be_a_secret_is_not_repeated(self, cli: Cli) -> None:
        answer = cli("plan", ".", "--database", "postgresql://me:hunter2@h:port/db")
        assert answer.code == 64
        assert "hunter2" not in answer.err


class TestProcess:
    """What only a process of its own shows."""

    @pytest.fixture
    def folder(self, cli: Cli) -> Path:
        cli.write(agent=BOT, **{f"a{n:03}": autopilot(f"a{n:03}") for n in range(300)})
        return cli.folder

    def test_results_and_messages_go_apart_and_exit_codes_out(self, folder: Path) -> None:
        done = reconciler("plan", "autopilots", "--detailed-exitcode", folder=folder)
        assert done.returncode == 2
        assert done.stdout.count("\n+ ") == 300
        assert done.stderr.startswith("everything is new, because there is no database at ")
        assert done.stderr.count("\n") == 1
        assert reconciler("plan", "missing", folder=folder).returncode == 4

    def test_a_stream_from_another_program(self, folder: Path) -> None:
        done = reconciler("plan", "-", folder=folder, stdin=BOT)
        assert done.returncode == 0
        assert "+ Agent default/bot  <stdin>:1\n" in done.stdout

    @pytest.mark.parametrize("words", [["plan", "autopilots"], ["apply", "autopilots", "--yes"]])
    def test_a_reader_that_goes_away_is_no_traceback_and_no_success(
        self, folder: Path, words: list[str]
    ) -> None:
        # More than a pipe holds, so that the reader goes before all is written.
        long = "  description: |\n" + "    A line of what is to be done.\n" * 2500
        for n in range(3):
            path = folder / "autopilots" / f"a{n:03}.yaml"
            path.write_text(autopilot(f"a{n:03}", more=long))
        process = subprocess.Popen(
            [sys.executable, "-m", "reconciler", *words],
            cwd=folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        errors = process.stderr.read()
        process.stderr.close()
        assert process.wait(60) == 141
        assert errors == b""
        assert not (folder / ".reconciler").exists()

    @pytest.mark.parametrize("words", [["plan", "autopilots"], ["schema", "squad"]], ids=str)
    def test_a_full_disk_is_said(self, folder: Path, words: list[str]) -> None:
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                [sys.executable, "-m", "reconciler", *words],
                cwd=folder,
                env=environment(),
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
        assert done.returncode == 1
        assert done.stderr == "error: the output cannot be written: No space left on device\n"

    def test_an_output_that_is_closed(self, folder: Path) -> None:
        words = "exec python -m reconciler apply autopilots --yes >&-"
        variables = environment({"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"})
        done = subprocess.run(["sh", "-c", words], cwd=folder, env=variables, check=False)
        assert done.returncode == 0
        assert (folder / ".reconciler" / "state.db").exists()

    def test_a_terminal_without_unicode(self, folder: Path) -> None:
        (folder / "autopilots" / "a000.yaml").write_text(autopilot("a000", title="Früh ✓"))
        ascii_only = {"PYTHONIOENCODING": "ascii"}
        done = reconciler("plan", "autopilots", folder=folder, env=ascii_only)
        assert done.returncode == 0
        assert "Fr\\xfch \\u2713" in done.stdout


class TestCompletion:
    """Shells complete commands and options."""

    @staticmethod
    def complete(folder: Path, words: str) -> list[str]:
        number = len(words.split(" ")) - 1
        variables = {"COMP_WORDS": words, "COMP_CWORD": str(number)}
        done = reconciler(folder=folder, env={**variables, "_RECONCILER_COMPLETE": "complete_bash"})
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.split()

    def test_of_commands(self, tmp_path: Path) -> None:
        assert self.complete(tmp_path, "reconciler p") == ["plan", "pause"]
        assert sorted(self.complete(tmp_path, "reconciler ")) == sorted(COMMANDS)

    def test_of_options_and_their_values(self, tmp_path: Path) -> None:
        assert self.complete(tmp_path, "reconciler apply --conf") == [
            "--confirm-deletes",
            "--config",
        ]
        assert self.complete(tmp_path, "reconciler validate -o g") == ["github"]

    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_scripts(self, tmp_path: Path, shell: str) -> None:
        done = reconciler(folder=tmp_path, env={"_RECONCILER_COMPLETE": f"source_{shell}"})
        assert done.returncode == 0
        assert "_RECONCILER_COMPLETE=complete_" + shell in done.stdout

    def test_installing_it(self, tmp_path: Path) -> None:
        settings = {"HOME": str(tmp_path), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
        done = reconciler("--install-completion", "bash", folder=tmp_path, env=settings)
        assert done.returncode == 0, done.stderr
        assert "bash_completions" in (tmp_path / ".bashrc").read_text()


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_is_wrapped_by_the_terminal_and_not_by_the_source(
    cli: Cli, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = cli(*name.split(), "--help").out.partition("╭")[0]
    lines = [line.strip() for line in text.splitlines()]
    for line, following in itertools.pairwise(lines):
        if line and following:
            assert len(line) + 1 + len(following.split()[0]) > 70, (line, following)
