"""`runs show ID --follow` and `runs rerun ID`, with a database and through a server."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.cli.runs.following import visible
from tests.dispatch.builders import script
from tests.support.cli import BOT, Cli, autopilot
from tests.support.process import _COMMAND, Serving, Site, site
from tests.support.rig import autopilot as manifest

PROGRAM = r"""
cat > /dev/null
printf 'begun \033]0;taken\007\033[31m\tred\r\n'
while [ ! -e OPEN ]; do sleep 0.05; done
exit STATUS
"""


@pytest.fixture
def place(tmp_path: Path, sqlite_template: Path) -> Iterator[Site]:
    """A folder with a server whose agent writes, waits for a file, and fails."""
    with site(tmp_path, f"sqlite:///{tmp_path / 'state.db'}") as place:
        text = PROGRAM.replace("OPEN", str(tmp_path / "open")).replace("STATUS", "3")
        script(tmp_path, text, "note")
        place.write("all.json", place.agent(), manifest())
        yield place


def start(place: Site) -> tuple[Serving, str]:
    server = place.serve()
    answer = place.cli("run", "triage", "--output", "json")
    return server, str(json.loads(answer.stdout)["id"])


@pytest.mark.parametrize("way", ["local", "remote"])
def test_what_the_agent_writes_is_shown_until_its_run_ends(place: Site, way: str) -> None:
    server, run_id = start(place)
    through = ("--server", server.url) if way == "remote" else ()
    environment = place.environment({})
    if through:
        environment.pop("RECONCILER_DATABASE", None)
    with subprocess.Popen(
        [*_COMMAND, "runs", "show", run_id, "--follow", *through],
        cwd=place.folder,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun \\x1b]0;taken\\x07\\x1b[31m\tred\n"
        (place.folder / "open").touch()
        remaining = process.stdout.read()
    assert f"run {run_id}: failed (agent_failed)" in remaining
    assert process.returncode == 1


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("plain\ttext", "plain\ttext"),
        ("carriage\rreturn\r", "carriage\\x0dreturn"),
        ("\x1b[2J\u202e", "\\x1b[2J\\u202e"),
    ],
)
def test_a_line_has_no_power_over_a_terminal(line: str, shown: str) -> None:
    assert visible(line) == shown


def test_follow_is_for_one_run(cli: Cli) -> None:
    cli.write(bot=BOT, triage=autopilot("triage"))
    cli.apply()
    assert cli("runs", "--follow").code == 64


def test_a_run_once_more_has_its_payload_and_names_it(cli: Cli) -> None:
    cli.write(bot=BOT, triage=autopilot("triage", more="  concurrencyPolicy: queue\n"))
    cli.apply()
    first = cli("run", "triage", "--payload", '{"pr": 7}', "-o", "json").json
    again = cli("runs", "rerun", first["id"], "-o", "json").json
    assert (again["rerunOf"], again["payload"]) == (first["id"], {"pr": 7})
    assert "rerun of:" in cli("runs", "show", again["id"]).out
    assert cli("runs", "rerun", "nothing").code == 1
