"""The server's key: made once, kept private, refused where manifests could reach it."""

import threading
from pathlib import Path

import pytest

from reconciler.control.access.keys import server_key
from reconciler.core.base.errors import Unavailable, UsageError


def test_it_is_made_once_and_kept_private(tmp_path: Path) -> None:
    path = tmp_path / "state" / "server.key"
    key = server_key(path, tmp_path / "secrets")
    assert len(key) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert server_key(path, tmp_path / "secrets") == key
    assert [one.name for one in path.parent.iterdir()] == ["server.key"]


def test_two_processes_that_start_together_have_one_key(tmp_path: Path) -> None:
    path, found = tmp_path / "server.key", []
    barrier = threading.Barrier(8)

    def start() -> None:
        barrier.wait()
        found.append(server_key(path, tmp_path / "secrets"))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert [one.name for one in tmp_path.iterdir()] == ["server.key"]


@pytest.mark.parametrize("inside", ["secrets/server.key", "secrets/default/server.key",
                                    "secrets/../secrets/key"])  # fmt: skip
def test_it_must_not_lie_among_the_secrets(tmp_path: Path, inside: str) -> None:
    with pytest.raises(UsageError, match="must not lie inside secrets_dir"):
        server_key(tmp_path / inside, tmp_path / "secrets")
    assert not (tmp_path / "secrets").exists()


def test_a_link_out_of_the_secrets_does_not_help(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "secrets")
    with pytest.raises(UsageError):
        server_key(tmp_path / "link" / "key", tmp_path / "secrets")


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "server.key"
    server_key(path, tmp_path / "secrets")
    path.chmod(mode)
    with pytest.raises(Unavailable, match="chmod 600"):
        server_key(path, tmp_path / "secrets")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"hunter2", id="no digits"),
        pytest.param(b"ab" * 31, id="too short"),
        pytest.param(b"\xff\xfe", id="not text"),
    ],
)
def test_what_is_no_key_is_refused_and_not_shown(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "server.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(Unavailable, match="is not a key file") as error:
        server_key(path, tmp_path / "secrets")
    assert "hunter2" not in str(error.value)
    assert path.read_bytes() == content


def test_a_folder_in_its_place_is_said(tmp_path: Path) -> None:
    (tmp_path / "server.key").mkdir()
    with pytest.raises(Unavailable, match="cannot be read"):
        server_key(tmp_path / "server.key", tmp_path / "secrets")
