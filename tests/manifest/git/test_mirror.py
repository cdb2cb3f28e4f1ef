"""A mirror of a real repository: kept, repaired, and never run."""

import base64
import fcntl
import os
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from reconciler.core.base.errors import Unavailable, UsageError
from reconciler.manifest.git import mirror as mirrors
from reconciler.manifest.git.mirror import Mirror
from reconciler.manifest.git.program import GitFailed
from tests.support.eventually import eventually
from tests.support.git import GitFolder
from tests.support.pids import is_gone


@pytest.fixture
def origin(tmp_path: Path) -> GitFolder:
    """A repository with one commit."""
    made = GitFolder.make(tmp_path / "origin")
    made.commit(a="one")
    return made


@pytest.fixture
def mirror(origin: GitFolder, tmp_path: Path) -> Mirror:
    """Of that repository; nothing is fetched yet."""
    return Mirror.below(tmp_path / "git", str(origin.folder))


def test_each_fetch_gives_the_commit_that_the_ref_names_now(
    origin: GitFolder, mirror: Mirror
) -> None:
    first = origin.git("rev-parse", "HEAD")
    assert mirror.fetch("main")[1] == first
    second = origin.commit(a="two")
    repository, commit = mirror.fetch("main")
    assert commit == second
    assert repository.descends(second, first) is True


def test_two_refs_of_one_repository_share_a_mirror(origin: GitFolder, mirror: Mirror) -> None:
    main = origin.git("rev-parse", "HEAD")
    origin.git("switch", "--quiet", "--create", "staging")
    staging = origin.commit(a="staged")
    assert [mirror.fetch(ref)[1] for ref in ("main", "staging", "main")] == [main, staging, main]


def test_a_lock_that_a_killed_git_left_does_not_stop_the_next_fetch(
    origin: GitFolder, mirror: Mirror
) -> None:
    mirror.fetch("main")
    for name in ("HEAD.lock", "packed-refs.lock", "shallow.lock"):
        (mirror.folder / name).touch()
    (reference,) = (mirror.folder / "refs/reconciler/followed").iterdir()
    reference.with_suffix(".lock").touch()
    commit = origin.commit(a="two")
    assert mirror.fetch("main")[1] == commit


@pytest.mark.parametrize("damaged", ["HEAD", "config", "objects"])
def test_a_damaged_mirror_is_fetched_anew(origin: GitFolder, mirror: Mirror, damaged: str) -> None:
    mirror.fetch("main")
    if damaged == "objects":
        for file in (mirror.folder / "objects").rglob("*"):
            if file.is_file():
                file.chmod(0o644)
                file.write_bytes(b"")
    else:
        (mirror.folder / damaged).write_text("nonsense")
    commit = origin.commit(a="two")
    repository, fetched = mirror.fetch("main")
    assert fetched == commit
    assert [file.content for file in repository.tree(commit).files()] == [b"two"]


def test_a_remote_that_is_gone_leaves_the_mirror_as_it_is(
    origin: GitFolder, mirror: Mirror
) -> None:
    repository, commit = mirror.fetch("main")
    origin.folder.rename(origin.folder.with_name("elsewhere"))
    with pytest.raises(GitFailed):
        mirror.fetch("main")
    assert repository.revision(commit).author == "Ada Lovelace <ada@example.org>"


@pytest.mark.parametrize("ref", ["nowhere", "feature/none"])
def test_a_ref_that_does_not_exist_is_said(mirror: Mirror, ref: str) -> None:
    mirror.fetch("main")
    with pytest.raises(GitFailed, match=ref):
        mirror.fetch(ref)


@pytest.mark.parametrize("ref", ["--upload-pack=x", "a..b", "", "main:refs/heads/x"])
def test_a_ref_is_never_an_option_nor_a_refspec(mirror: Mirror, ref: str) -> None:
    with pytest.raises(UsageError):
        mirror.fetch(ref)


def test_a_fetch_is_given_up_when_its_checkpoint_says_so(
    origin: GitFolder, mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The remote is a program that never answers; what was started for it ends too."""
    stuck, pid = tmp_path / "stuck", tmp_path / "pid"
    stuck.write_text(f"#!/bin/sh\necho $$ > {pid}\nexec sleep 600\n")
    stuck.chmod(0o755)
    monkeypatch.setenv("GIT_SSH_COMMAND", str(stuck))

    def checkpoint() -> None:
        if pid.exists() and pid.read_text():
            raise InterruptedError

    with pytest.raises(InterruptedError):
        Mirror.below(tmp_path / "git", "ssh://git@localhost/x").fetch("main", checkpoint)
    eventually(lambda: is_gone(int(pid.read_text())))


def test_a_mirror_that_another_process_holds_is_waited_for_and_then_said(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror.fetch("main")
    monkeypatch.setattr(mirrors, "LOCK_SECONDS", 0.1)
    lock = os.open(f"{mirror.folder}.lock", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    with pytest.raises(Unavailable, match="another process"):
        mirror.fetch("main")
    os.close(lock)
    mirror.fetch("main")


def test_nothing_of_the_repository_runs_and_nothing_else_is_fetched(
    origin: GitFolder, mirror: Mirror, tmp_path: Path
) -> None:
    """Hooks, filters, attributes and submodules are content like any other."""
    trap = f"touch {tmp_path}/trapped"
    origin.write(".gitattributes", "*.yaml filter=trap diff=trap\n*.bin filter=lfs\n")
    origin.write(".gitconfig", f'[filter "trap"]\n\tsmudge = {trap}\n')
    origin.write("hooks/post-checkout", f"#!/bin/sh\n{trap}\n")
    origin.write(
        ".gitmodules", f'[submodule "x"]\n\tpath = x\n\turl = {tmp_path}/no\n\tupdate = !{trap}\n'
    )
    commit = origin.commit(a="two")
    repository, fetched = mirror.fetch("main")
    assert fetched == commit
    assert [file.path for file in repository.tree(commit).files()] == ["a.yaml"]
    assert not (tmp_path / "trapped").exists()
    assert not (mirror.folder / "index").exists()


@pytest.fixture
def forge(origin: GitFolder) -> Iterator[str]:
    """The repository behind HTTP that asks for a password; the URL without a scheme."""
    origin.git("update-server-info")
    expected = "Basic " + base64.b64encode(b"ci:s3cret").decode()

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers.get("Authorization") == expected:
                return super().do_GET()
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="forge"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    handler = partial(Handler, directory=str(origin.folder / ".git"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


def test_the_operators_credential_helper_is_asked(
    origin: GitFolder, forge: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "gitconfig"
    config.write_text('[credential]\n\thelper = "!echo username=ci; echo password=s3cret;:"\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    _, commit = Mirror.below(tmp_path / "git", f"http://{forge}").fetch("main")
    assert commit == origin.git("rev-parse", "HEAD")


def test_a_token_in_the_url_is_used_and_never_shown(
    origin: GitFolder, forge: str, tmp_path: Path
) -> None:
    _, commit = Mirror.below(tmp_path / "git", f"http://ci:s3cret@{forge}").fetch("main")
    assert commit == origin.git("rev-parse", "HEAD")
    with pytest.raises(GitFailed) as caught:
        Mirror.below(tmp_path / "git", f"http://ci:hunter2@{forge}").fetch("main")
    assert "hunter2" not in str(caught.value)


def test_without_credentials_nobody_is_asked(
    forge: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("GIT_ASKPASS", "false")
    with pytest.raises(GitFailed, match=r"could not read Username|Authentication failed"):
        Mirror.below(tmp_path / "git", f"http://{forge}").fetch("main")
