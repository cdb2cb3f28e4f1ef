"""Secrets by reference: found where they belong, never shown, missing ones named."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler.control.access.secrets import LARGEST, SecretMissing, SecretStore, is_active
from reconciler.core.manifest.fields import SecretRef

NOW = datetime(2026, 11, 2, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
VARIABLE = "AUTOPILOT_SECRET_PLATFORM__CI"


def test_a_variable_of_the_workspace(tmp_path: Path) -> None:
    secret_store = SecretStore(tmp_path, {VARIABLE: "s3cret"})
    assert secret_store.resolve(SecretRef(env=VARIABLE), "platform") == "s3cret"


@pytest.mark.parametrize(
    ("variable", "workspace"),
    [
        pytest.param(VARIABLE, "other", id="of another workspace"),
        pytest.param("HOME", "platform", id="of the server itself"),
        pytest.param("AUTOPILOT_SECRET_PLATFORM", "platform", id="no name"),
        pytest.param("AUTOPILOT_SECRET_PLATFORM__GONE", "platform", id="not set"),
        pytest.param("AUTOPILOT_SECRET_PLATFORM__EMPTY", "platform", id="empty"),
    ],
)
def test_other_variables_are_missing(tmp_path: Path, variable: str, workspace: str) -> None:
    environment = {VARIABLE: "s3cret", "HOME": "/root", "AUTOPILOT_SECRET_PLATFORM": "s3cret"}
    environment["AUTOPILOT_SECRET_PLATFORM__EMPTY"] = ""
    with pytest.raises(SecretMissing) as error:
        SecretStore(tmp_path, environment).resolve(SecretRef(env=variable), workspace)
    assert "s3cret" not in str(error.value)
    assert variable in str(error.value)


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        pytest.param(b"s3cret", "s3cret", id="as it is"),
        pytest.param(b"s3cret\n", "s3cret", id="without the editor's line break"),
        pytest.param(b"s3cret\r\n", "s3cret", id="of whatever editor"),
        pytest.param(b"s3\ncret\n\n", "s3\ncret\n", id="but only one"),
        pytest.param(" schlüssel ".encode(), " schlüssel ", id="spaces belong to it"),
    ],
)
def test_a_file_of_the_workspace(tmp_path: Path, content: bytes, secret: str) -> None:
    write(tmp_path, content)
    assert SecretStore(tmp_path, {}).resolve(SecretRef(file="ci"), "platform") == secret


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(b"\n", "is empty", id="only a line break"),
        pytest.param(b"\xff", "is not UTF-8", id="not text"),
        pytest.param(b"x" * (LARGEST + 1), "is larger than 64 KiB", id="too large"),
    ],
)
def test_files_that_hold_no_secret(tmp_path: Path, content: bytes, why: str) -> None:
    write(tmp_path, content)
    with pytest.raises(SecretMissing, match=why):
        SecretStore(tmp_path, {}).resolve(SecretRef(file="ci"), "platform")


def test_a_file_that_is_not_there_a_folder_and_a_link(tmp_path: Path) -> None:
    write(tmp_path, b"x", "real")
    (tmp_path / "platform" / "folder").mkdir()
    (tmp_path / "platform" / "link").symlink_to(tmp_path / "platform" / "real")
    for name in ("gone", "folder", "link"):
        with pytest.raises(SecretMissing, match=f"there is no file secrets_dir/platform/{name}"):
            SecretStore(tmp_path, {}).resolve(SecretRef(file=name), "platform")


def test_another_workspaces_file_is_not_there(tmp_path: Path) -> None:
    write(tmp_path, b"s3cret")
    with pytest.raises(SecretMissing):
        SecretStore(tmp_path, {}).resolve(SecretRef(file="ci"), "other")


def test_files_are_read_again_after_a_reload(tmp_path: Path) -> None:
    write(tmp_path, b"old")
    secret_store, ref = SecretStore(tmp_path, {}), SecretRef(file="ci")
    assert secret_store.resolve(ref, "platform") == "old"
    write(tmp_path, b"new")
    assert secret_store.resolve(ref, "platform") == "old"
    secret_store.reload()
    assert secret_store.resolve(ref, "platform") == "new"


@pytest.mark.parametrize(
    ("bounds", "active"),
    [
        pytest.param({}, True, id="without bounds"),
        pytest.param({"notBefore": NOW}, True, id="from now on"),
        pytest.param({"notBefore": NOW + HOUR}, False, id="later"),
        pytest.param({"notAfter": NOW}, True, id="up to now"),
        pytest.param({"notAfter": NOW - HOUR}, False, id="over"),
        pytest.param({"notBefore": NOW - HOUR, "notAfter": NOW + HOUR}, True, id="in between"),
    ],
)
def test_rotation(bounds: dict[str, datetime], active: bool) -> None:
    texts = {name: moment.isoformat() for name, moment in bounds.items()}
    ref = SecretRef.model_validate({"env": VARIABLE, **texts})
    assert is_active(ref, NOW) is active


def test_the_active_ones_are_found_and_missing_ones_are_named(tmp_path: Path) -> None:
    later = {"env": f"{VARIABLE}_LATER", "notBefore": (NOW + HOUR).isoformat()}
    refs = (
        SecretRef(env=VARIABLE),
        SecretRef(env=f"{VARIABLE}_GONE"),
        SecretRef.model_validate(later),
    )
    active = SecretStore(tmp_path, {VARIABLE: "s3cret"}).active(refs, "platform", NOW)
    assert active.values == ("s3cret",)
    assert active.missing == (f"the server's environment has no {VARIABLE}_GONE",)
    assert "s3cret" not in repr(active)


def write(folder: Path, content: bytes, name: str = "ci") -> None:
    """A secret of workspace `platform`."""
    (folder / "platform").mkdir(exist_ok=True)
    (folder / "platform" / name).write_bytes(content)
