"""What people install: the wheel holds all that the program needs, under the name that is ours."""

import os
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from tests.support.pages import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    _run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], cwd=ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's content, as pip unpacks it; libraries are those of the tests."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    _run([*pip, "--disable-pip-version-check", "--target", str(folder), str(wheel)], cwd=folder)
    return folder


def _run(
    command: list[str], cwd: Path, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


def _reconciler(installed: Path, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The installed command, far from the checkout."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(installed), "HOME": str(cwd)}
    return _run([sys.executable, "-m", "reconciler", *arguments], cwd, environment)


def test_the_distribution_has_a_name_of_its_own(wheel: Path) -> None:
    """`reconciler` on the index is another program; the command and the package keep the name."""
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        (scripts,) = (name for name in archive.namelist() if name.endswith("/entry_points.txt"))
        assert Parser().parsestr(archive.read(metadata).decode())["Name"] == "autopilot-reconciler"
        assert "reconciler = reconciler.__main__:main" in archive.read(scripts).decode()


def test_every_file_of_the_package_is_in_the_wheel(wheel: Path) -> None:
    tracked = _run(["git", "ls-files", "reconciler"], ROOT).stdout.split()
    with zipfile.ZipFile(wheel) as archive:
        assert set(tracked) <= set(archive.namelist())


def test_what_was_installed_plans_applies_and_shows(installed: Path, tmp_path: Path) -> None:
    place = _run(
        [sys.executable, "-c", "import reconciler; print(reconciler.__file__)"],
        tmp_path,
        {"PATH": os.environ["PATH"], "PYTHONPATH": str(installed)},
    )
    assert Path(place.stdout.strip()).is_relative_to(installed)
    _reconciler(installed, tmp_path, "init", "repository")
    _reconciler(installed, tmp_path, "validate", "repository/autopilots")
    _reconciler(installed, tmp_path, "apply", "repository/autopilots", "--yes")
    plan = _reconciler(installed, tmp_path, "plan", "repository/autopilots", "--detailed-exitcode")
    assert "No changes" in plan.stdout
