"""A workspace's secrets are resolved by the same rule by which manifests are checked."""

from pathlib import Path

import pytest

from reconciler.control.access.secrets import SecretMissing, SecretStore
from reconciler.core.manifest.fields import SecretRef


def test_a_secret_of_a_workspace_whose_name_starts_alike_is_not_resolved(tmp_path: Path) -> None:
    variable = "AUTOPILOT_SECRET_A__B__KEY"
    secret_store = SecretStore(tmp_path, {variable: "hidden"})
    assert secret_store.resolve(SecretRef(env=variable), "a--b") == "hidden"
    with pytest.raises(SecretMissing) as missing:
        secret_store.resolve(SecretRef(env=variable), "a")
    assert "hidden" not in str(missing.value)


@pytest.mark.parametrize("name", ["../b/key", "/etc/passwd", ".key", ""])
def test_a_file_outside_of_the_workspaces_folder_is_not_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(SecretMissing):
        SecretStore(tmp_path, {}).resolve(SecretRef(file=name), "a")
