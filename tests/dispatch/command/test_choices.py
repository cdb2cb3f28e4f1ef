"""What a manifest may choose for a bound program: nothing that the operator did not name."""

import os
import string
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.base.codes import Code
from reconciler.core.manifest.checks import Policy, check
from reconciler.core.manifest.reach import Grant
from reconciler.core.runs.run import Completed, Failed, Reason
from reconciler.dispatch.command.program import open_directory, refused_variables
from reconciler.dispatch.command.runtime import Commands
from tests.dispatch.builders import a_job, command, outcome, script

pytestmark = pytest.mark.anyio

STOLEN = "$(tr '\\0' '\\n' </proc/$PPID/environ > {here}/stolen)"
TRICKS = {
    "BASH_ENV": STOLEN,
    "ENV": STOLEN,
    "PS4": STOLEN,
    "SHELLOPTS": "xtrace",
    "BASH_FUNC_date%%": "() { touch {here}/stolen; }",
    "PATH": "{here}",
    "IFS": "/",
    "LD_PRELOAD": "{here}/evil.so",
    "LD_LIBRARY_PATH": "{here}",
    "LD_AUDIT": "{here}/evil.so",
    "GCONV_PATH": "{here}",
    "PYTHONPATH": "{here}",
    "PYTHONHOME": "{here}",
    "PYTHONUSERBASE": "{here}",
    "PYTHONSTARTUP": "{here}/evil.py",
    "PYTHONWARNINGS": "all:0:antigravity.x:0:0",
    "BROWSER": "{here}/evil.sh %s",
    "HOME": "{here}",
    "XDG_CONFIG_HOME": "{here}",
    "PERL5OPT": "-Mevil",
    "PERL5LIB": "{here}",
    "RUBYOPT": "-revil",
    "NODE_OPTIONS": "--require {here}/evil.js",
    "NODE_PATH": "{here}",
    "JAVA_TOOL_OPTIONS": "-javaagent:{here}/evil.jar",
    "GIT_SSH_COMMAND": "touch {here}/stolen",
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_GLOBAL": "{here}/gitconfig",
    "GIT_EXTERNAL_DIFF": "{here}/evil.sh",
    "GIT_PAGER": "touch {here}/stolen",
    "PAGER": "touch {here}/stolen",
    "EDITOR": "touch {here}/stolen",
    "LESSOPEN": "|touch {here}/stolen",
    "TAR_OPTIONS": "--to-command={here}/evil.sh",
    "ANTHROPIC_BASE_URL": "https://evil.example",
    "OPENAI_BASE_URL": "https://evil.example",
    "GOOGLE_GEMINI_BASE_URL": "https://evil.example",
    "CODEX_HOME": "{here}",
    "https_proxy": "http://evil.example",
    "SSL_CERT_FILE": "{here}/evil.pem",
    "RUN_ID": "another run",
    "autopilot_lower": "x",
    "AUTOPILOT": "without the underscore",
}
AGENT = "#!/bin/bash\ndate >/dev/null; git --version >/dev/null; echo worked\n"


@pytest.fixture
async def commands(tmp_path: Path) -> AsyncIterator[Commands]:
    """A shell script is all that an attacker needs."""
    agent = script(tmp_path, AGENT)
    for name in ("date", "git", "evil.sh"):
        script(tmp_path, f"#!/bin/sh\ntouch {tmp_path}/stolen\n", name)
    (tmp_path / "sitecustomize.py").write_text(f"open({str(tmp_path / 'stolen')!r}, 'w')")
    made = Commands({"agent": agent}, folder=tmp_path / "runs")
    yield made
    await made.close()


@pytest.mark.parametrize("name", TRICKS)
async def test_a_variable_that_the_operator_did_not_name_is_not_set_and_nothing_is_executed(
    commands: Commands, tmp_path: Path, name: str
) -> None:
    """It does not matter whether the value stood in the manifest or came out of a secret."""
    value = TRICKS[name].replace("{here}", str(tmp_path))
    ended = await outcome(commands, a_job(command(), env={name: value}))
    assert isinstance(ended, Failed)
    assert ended.reason is Reason.DISPATCH_FAILED
    assert f"{name} may not be set" in ended.message
    assert "[commands.agent] env" in ended.message
    assert value not in ended.message
    assert not (tmp_path / "stolen").exists()


async def test_variables_that_begin_with_our_prefix_are_free(commands: Commands) -> None:
    ended = await outcome(commands, a_job(command(), env={"AUTOPILOT_FOCUS": "security"}))
    assert ended == Completed("worked\n")


async def test_the_operator_may_name_any_variable(tmp_path: Path) -> None:
    program = script(tmp_path, '#!/bin/sh\necho "$TRACKER_TOKEN $PATH"\n')
    grant = Grant(frozenset({"TRACKER_TOKEN", "PATH"}))
    commands = Commands({"agent": program}, {"agent": grant}, folder=tmp_path / "runs")
    job = a_job(command(), env={"TRACKER_TOKEN": "x", "PATH": "/opt/bin"})
    assert await outcome(commands, job) == Completed("x /opt/bin\n")
    await commands.close()


NAMES = st.text(string.ascii_letters + string.digits + "_*?%", min_size=1, max_size=40)


@given(NAMES, st.frozensets(NAMES, max_size=5))
def test_every_name_is_refused_but_what_is_named_or_free(name: str, named: frozenset[str]) -> None:
    """The check of a manifest and that of the dispatch agree on every name."""
    free = name.startswith("AUTOPILOT_") or name in named
    grant = Grant(named)
    policy = Policy(allowed_commands=frozenset({"agent"}), grants={"agent": grant})
    runtime = {"type": "command", "program": "agent", "env": {name: "x"}}
    codes = [finding.code for finding in check(_agent(runtime), policy)]
    assert (Code.VARIABLE_NOT_ALLOWED not in codes) is free
    try:
        refused_variables("agent", [name], grant)
    except PermissionError:
        assert not free
    else:
        assert free


def _agent(runtime: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": "a", "workspace": "default"}
    spec = {"runtime": runtime}
    return {"apiVersion": "autopilots/v1", "kind": "Agent", "metadata": metadata, "spec": spec}


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """`work` is the folder that the operator named; links lead out of it and into it."""
    for name in ("work/inside", "workshop", "outside"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "work/out").symlink_to(tmp_path / "outside")
    (tmp_path / "work/up").symlink_to("..")
    (tmp_path / "alias").symlink_to(tmp_path / "work")
    return tmp_path


@pytest.mark.parametrize(
    ("cwd", "allowed"),
    [
        pytest.param("work", True, id="the folder itself"),
        pytest.param("work/inside", True, id="below it"),
        pytest.param("work/inside/", True, id="with a slash at the end"),
        pytest.param("work/up/work/inside", True, id="out and in again"),
        pytest.param("workshop", False, id="a name that begins alike"),
        pytest.param("outside", False, id="another one"),
        pytest.param("work/../outside", False, id="dots"),
        pytest.param("work/out", False, id="a link that leads out"),
        pytest.param("work/up/outside", False, id="a link that leads up"),
        pytest.param("alias/inside", False, id="a link that leads in, not named itself"),
        pytest.param("work/missing", False, id="not there"),
        pytest.param("", False, id="the one above"),
    ],
)
def test_a_working_directory_lies_in_a_folder_that_the_operator_named(
    folders: Path, cwd: str, *, allowed: bool
) -> None:
    grant = Grant(folders=(str(folders / "work"),))
    path = f"{folders}/{cwd}"
    if allowed:
        directory = open_directory("agent", path, grant, "cwd")
        os.close(directory)
    else:
        with pytest.raises(OSError, match=r"."):
            open_directory("agent", path, grant, "cwd")


@pytest.mark.parametrize("cwd", ["work", "./work", "~", "/"])
def test_without_folders_there_is_no_choice(cwd: str) -> None:
    with pytest.raises(PermissionError):
        open_directory("agent", cwd, Grant(), "cwd")


def test_a_folder_that_is_named_by_a_link_is_what_it_leads_to(folders: Path) -> None:
    directory = open_directory(
        "agent", f"{folders}/alias/inside", Grant(folders=(f"{folders}/alias",)), "cwd"
    )
    os.close(directory)


async def test_a_link_that_is_changed_after_the_check_changes_nothing(folders: Path) -> None:
    """What was checked is what the program starts in."""
    (folders / "work/link").symlink_to(folders / "work/inside")
    grant = Grant(folders=(f"{folders}/work",))
    directory = open_directory("agent", f"{folders}/work/link", grant, "cwd")
    (folders / "work/link").unlink()
    (folders / "work/link").symlink_to(folders / "outside")
    assert os.path.samestat(os.fstat(directory), (folders / "work/inside").stat())
    os.close(directory)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_the_memory_and_environment_of_a_server_are_closed_to_others_of_its_user() -> None:
    """As a user without rights; as root everything is open but the emptied environment."""
    program = Path(__file__).with_name("read_a_neighbour.py")
    done = subprocess.run(
        [sys.executable, str(program)],
        cwd=Path(__file__).parents[3],
        env={"PYTHONPATH": ".", "AUTOPILOT_SECRET_A__B": "s3cret-value", "HOME": "/nowhere"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.splitlines() == [
        "before environ: read, the secret is there",
        "before mem: read",
        "after environ: PermissionError",
        "after mem: PermissionError",
        "after as root: 0 bytes but NUL",
        "HOME=/nowhere",
    ], done.stderr
