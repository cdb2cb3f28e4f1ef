"""Saved plans on disk: private, whole or absent, and told from manifests."""

import os
import stat
from pathlib import Path

import pytest

from reconciler.cli.saved_plan import is_saved_plan, load_plan, save_plan
from reconciler.core.base.errors import UsageError
from reconciler.core.manifest.state import Current
from reconciler.core.plan.plan import make_plan
from reconciler.core.plan.planfile import write_plan
from tests.support.worlds import agent, desired

WANTED = desired(agent())
PLAN = make_plan(Current(), WANTED)
TEXT = write_plan(PLAN, WANTED)


def test_a_plan_is_saved_for_its_owner_only_and_read_back(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text("something older")
    file.chmod(0o644)
    save_plan(file, TEXT)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert load_plan(file).digest == PLAN.digest
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    victim, link = tmp_path / "victim", tmp_path / "plan.json"
    victim.write_text("mine")
    link.symlink_to(victim)
    save_plan(link, TEXT)
    assert victim.read_text() == "mine"
    assert not link.is_symlink()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(TEXT, True, id="a saved plan"),
        pytest.param(TEXT[:100], True, id="a saved plan that was cut"),
        pytest.param("kind: Agent\n", False, id="a manifest"),
        pytest.param('{"apiVersion": "autopilots/v1"}', False, id="a manifest in JSON"),
        pytest.param("", False, id="nothing"),
    ],
)
def test_saved_plans_are_told_from_manifests(tmp_path: Path, content: str, expected: bool) -> None:
    file = tmp_path / "file.json"
    file.write_text(content)
    assert is_saved_plan(file) is expected


def test_what_is_no_file_is_a_usage_error(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (tmp_path, tmp_path / "missing", pipe, tmp_path / "missing" / "deep"):
        assert not is_saved_plan(path)
        with pytest.raises(UsageError):
            load_plan(path)


def test_a_folder_that_is_missing_or_in_the_way_is_a_usage_error(tmp_path: Path) -> None:
    for path in (tmp_path / "missing" / "plan.json", tmp_path):
        with pytest.raises(UsageError, match="cannot write the plan"):
            save_plan(path, TEXT)
    assert list(tmp_path.iterdir()) == []
