"""Every command with every stream closed, full or in another encoding: no traceback, and the truth.

A message that nobody can see changes no exit code; a result that cannot be written is an error; and
what machines read is UTF-8 whatever the locale says.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from reconciler.cli.main import COMMANDS
from tests.support.cli import BOT, autopilot, environment, reconciler
from tests.support.each_command import Ended, run_each

pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")

_NAMES = "Größe – 大小 🚀"
_RUN = ["run", "one", "--force"]
CASES = [
    ["--version"],
    ["--help"],
    ["plan", "--help"],
    ["nonsense"],
    ["init", "new"],
    ["validate", "autopilots"],
    ["validate", "autopilots", "-o", "json"],
    ["validate", "autopilots", "-o", "sarif"],
    ["validate", "broken"],
    ["schema"],
    ["diff", "--base", "HEAD", "-o", "json", "autopilots"],
    ["plan", "autopilots"],
    ["plan", "edited", "-o", "json", "--detailed-exitcode"],
    ["plan", "edited", "-o", "markdown"],
    ["plan", "-"],
    ["apply", "autopilots", "--yes", "-o", "json"],
    ["drift", "-o", "json"],
    ["export"],
    ["export", "-o", "json"],
    ["history"],
    ["history", "-o", "json"],
    ["adopt", "Autopilot", "one"],
    _RUN,
    ["runs"],
    ["runs", "-o", "json"],
    ["pause", "one"],
    ["resume", "one", "-o", "json"],
    ["next", "--cron", "0 9 * * *"],
    ["next", "one", "-o", "json"],
    ["why", "one"],
    ["webhook", "url", "one/ci"],
    ["notify", "test", "log"],
    ["token", "new", "--role", "viewer"],
    ["serve", "--print-settings"],
    ["doctor"],
    ["doctor", "-o", "json"],
    ["simulate", "autopilots", "--from", "2026-11-01T00:00:00Z", "--to", "2026-11-02T00:00:00Z"],
    ["audit", "--from", "2026-11-01T00:00:00Z", "--to", "2026-11-02T00:00:00Z"],
]
MACHINES = [case for case in CASES if {"json", "sarif", "markdown"} & {*case}] + [["export"]]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of manifests that are applied, one that is edited, one that is broken."""
    folder = tmp_path_factory.mktemp("streams")
    text = autopilot("one", title=_NAMES, more=_TRIGGERS)
    for name, files in {
        "autopilots": {"bot": BOT, "one": text},
        "edited": {"bot": BOT, "one": text.replace(_NAMES, _NAMES[::-1])},
        "broken": {"größe": text.replace("title", "titel")},
    }.items():
        (folder / name).mkdir()
        for file, content in files.items():
            (folder / name / f"{file}.yaml").write_text(content, "utf-8")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "autopilots"], ["commit", "-qm", "x"]):
        subprocess.run([*git, *words], cwd=folder, check=True)
    assert reconciler("apply", "autopilots", "--yes", folder=folder).returncode == 0
    return folder


_TRIGGERS = """\
  triggers:
    - {name: ci, kind: webhook, signature: {scheme: none}}
    - {name: nightly, kind: schedule, cron: "0 9 * * *"}
"""


def ran(
    prepared: Path, into: Path, fault: str, cases: Sequence[Sequence[str]] = CASES, **env: str
) -> dict[str, Ended]:
    """Every case with one fault, in a folder of its own; by what was typed."""
    return run_each(cases, shutil.copytree(prepared, into / "site"), fault, env)


@pytest.fixture(scope="module")
def whole(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """Without a fault."""
    ended = ran(prepared, tmp_path_factory.mktemp("whole"), "none")
    codes = {name: one.code for name, one in ended.items() if one.code}
    assert codes == {
        "nonsense": 64,
        "validate broken": 3,
        "plan edited -o json --detailed-exitcode": 2,
        "plan -": 4,
    }
    return ended


def test_every_command_is_tried() -> None:
    assert {case[0] for case in CASES} >= COMMANDS.keys()


@pytest.mark.parametrize(
    "fault", ["closed 0", "closed 1", "closed 2", "full 2"], ids=lambda fault: fault
)
def test_a_stream_that_is_closed_or_a_message_that_is_lost(
    prepared: Path, whole: dict[str, Ended], tmp_path: Path, fault: str
) -> None:
    ended = ran(prepared, tmp_path, fault)
    expected = {name: one.code for name, one in whole.items()}
    if fault == "closed 0":
        expected["plan -"] = 64  # not an empty stream: there is none
    assert {name: one.code for name, one in ended.items()} == expected
    assert [name for name, one in ended.items() if "Traceback" in one.err] == []
    if fault != "closed 1":
        lost = {name for name, one in ended.items() if bool(one.out) != bool(whole[name].out)}
        assert lost == set()


def test_a_result_that_cannot_be_written(
    prepared: Path, whole: dict[str, Ended], tmp_path: Path
) -> None:
    ended = ran(prepared, tmp_path, "full 1")
    for name, one in ended.items():
        assert "Traceback" not in one.err
        assert one.code == (1 if whole[name].out else whole[name].code), name
        assert ("the output cannot be written" in one.err) == bool(whole[name].out), name
    assert "was recorded all the same" in ended["run one --force"].err


@pytest.mark.parametrize(
    ("cases", "env"),
    [
        pytest.param(CASES, {"PYTHONIOENCODING": "ascii"}, id="ascii"),
        pytest.param([_RUN, *MACHINES], {"PYTHONIOENCODING": "cp1252"}, id="cp1252"),
        pytest.param([_RUN, *MACHINES], {"LC_ALL": "C"}, id="C"),
    ],
)
def test_in_any_locale_machines_read_utf_8(
    prepared: Path,
    whole: dict[str, Ended],
    tmp_path: Path,
    cases: list[list[str]],
    env: dict[str, str],
) -> None:
    """Of those that can say the least, every command; of the others, what is not the same text."""
    ended = ran(prepared, tmp_path, "none", cases, **env)
    assert {name: one.code for name, one in ended.items()} == {
        name: whole[name].code for name in ended
    }
    assert [name for name, one in ended.items() if "Traceback" in one.err] == []
    for case in MACHINES:
        name = " ".join(case)
        text = ended[name].out.decode("utf-8")
        if _NAMES in whole[name].out.decode("utf-8"):
            assert _NAMES in text, name


def test_names_of_files_are_utf_8_where_python_would_take_them_for_ascii(prepared: Path) -> None:
    ascii_names = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = reconciler("validate", "broken", "-o", "json", folder=prepared, env=ascii_names)
    assert done.returncode == 3, done.stderr
    assert json.loads(done.stdout)["problems"][0]["path"] == "broken/größe.yaml"
    text = reconciler("validate", "broken", folder=prepared, env=ascii_names)
    assert (text.returncode, "Traceback" in text.stderr) == (3, False)
    assert "gr\\xf6\\xdfe.yaml" in text.stdout


@pytest.mark.parametrize(
    ("words", "code"),
    [
        pytest.param("plan - <&-", 64, id="stdin closed"),
        pytest.param("export >&-", 0, id="stdout closed"),
        pytest.param("validate broken 2>&-", 3, id="stderr closed"),
        pytest.param("--help >/dev/full", 1, id="help on a full disk"),
        pytest.param("apply edited --yes >&- 2>&- <&-", 0, id="all closed"),
        pytest.param("apply edited --yes >/dev/full", 1, id="applies no plan that is not seen"),
    ],
)
def test_from_a_shell(prepared: Path, tmp_path: Path, words: str, code: int) -> None:
    folder = shutil.copytree(prepared, tmp_path / "site")
    shell = ["sh", "-c", f'"{sys.executable}" -m reconciler {words}']
    done = subprocess.run(
        shell, cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
    planned = reconciler("plan", "edited", "--detailed-exitcode", folder=folder)
    assert planned.returncode == (0 if words.startswith("apply") and code == 0 else 2)
