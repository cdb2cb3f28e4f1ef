"""The image and the deployments name what there is: files, settings, options, paths."""

import configparser
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.cli.main import COMMANDS
from reconciler.settings import Settings
from reconciler.web.app import OPERATIONS
from tests.support.pages import ROOT, shown

DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
COMPOSE = ROOT / "deploy/compose.yaml"
KUBERNETES = ROOT / "deploy/kubernetes"
UNIT = ROOT / "deploy/reconciler.service"
FILES = [ROOT / "Dockerfile", COMPOSE, UNIT, *sorted(KUBERNETES.glob("*.yaml"))]


def _documents(path: Path) -> list[Any]:
    return list(yaml.safe_load_all(path.read_text("utf-8")))


def _compose() -> Any:
    return _documents(COMPOSE)[0]


def _pod() -> Any:
    return _documents(KUBERNETES / "deployment.yaml")[0]["spec"]["template"]["spec"]


def test_the_unit_signals_the_server_alone_and_gives_it_time_to_stop() -> None:
    """With systemd's default, SIGTERM goes to every agent as well."""
    unit = configparser.ConfigParser(interpolation=None, strict=True)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(UNIT.read_text("utf-8"))
    service = unit["Service"]
    assert service["KillMode"] == "mixed"
    assert int(service["TimeoutStopSec"]) > 30, "a server exits within 30 seconds"
    assert service["User"] != "root"
    assert service["ExecReload"].split()[1] == "-HUP"
    command = service["ExecStart"].split()
    assert command[1] in COMMANDS
    assert set(command[2:]) & {"--config"}


@pytest.mark.parametrize("path", FILES, ids=shown)
def test_every_variable_is_a_setting(path: Path) -> None:
    known = {f"RECONCILER_{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(r"RECONCILER_[A-Z_]+", path.read_text("utf-8"))) <= known


def test_the_image_is_made_of_files_that_reach_it() -> None:
    let_through = re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text("utf-8"), re.MULTILINE)
    for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE):
        for source in sources.split():
            assert (ROOT / source).exists(), f"{source} is not there"
            assert source in let_through, f".dockerignore keeps {source} out"


def test_the_image_starts_with_settings_that_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    (environment,) = re.findall(r"^ENV (PATH=(?:.+\\\n)+.+)$", DOCKERFILE, re.MULTILINE)
    for name, value in re.findall(r"(RECONCILER_\w+)=(\S+)", environment):
        monkeypatch.setenv(name, value)
    settings = Settings.load()
    assert settings.host == "0.0.0.0"
    assert settings.tokens_file is not None, "beyond loopback a server needs tokens"
    assert not settings.key_file.is_relative_to(settings.secrets_dir)
    assert f"EXPOSE {settings.port}" in DOCKERFILE
    assert f"VOLUME {settings.key_file.parent}" in DOCKERFILE


def _served() -> dict[str, list[str]]:
    (default,) = re.findall(r"^CMD (\[.+\])$", DOCKERFILE, re.MULTILINE)
    return {
        "Dockerfile": yaml.safe_load(default),
        "compose": _compose()["services"]["reconciler"]["command"],
        "Kubernetes": _pod()["containers"][0]["args"],
    }


@pytest.mark.parametrize("where", ["Dockerfile", "compose", "Kubernetes"])
def test_serve_knows_its_arguments(where: str) -> None:
    command, *arguments = _served()[where]
    known = {text for option in COMMANDS[command].load(command).params for text in option.opts}
    assert {argument for argument in arguments if argument.startswith("-")} <= known


def test_probes_ask_paths_that_there_are_under_a_name_that_is_answered() -> None:
    container = _pod()["containers"][0]
    paths = {operation.path for operation in OPERATIONS if operation.method == "GET"}
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        request = container[name]["httpGet"]
        assert request["path"] in paths
        assert {"name": "Host", "value": "localhost"} in request["httpHeaders"]


def test_there_is_time_to_hand_work_back() -> None:
    assert _pod()["terminationGracePeriodSeconds"] > 30
    assert int(_compose()["services"]["reconciler"]["stop_grace_period"].rstrip("s")) > 30


def test_the_same_user_runs_everywhere() -> None:
    (uid,) = re.findall(r"--uid (\d+)", DOCKERFILE)
    assert f"USER {uid}:{uid}" in DOCKERFILE
    assert _pod()["securityContext"]["runAsUser"] == int(uid)


def test_what_is_mounted_is_declared() -> None:
    pod = _pod()
    mounted = {
        mount["name"]
        for container in (*pod["initContainers"], *pod["containers"])
        for mount in container["volumeMounts"]
    }
    assert mounted == {volume["name"] for volume in pod["volumes"]}


def test_compose_mounts_files_that_there_are() -> None:
    for mount in _compose()["services"]["reconciler"]["volumes"]:
        source = mount.partition(":")[0]
        if source.startswith(".."):
            assert (COMPOSE.parent / source).resolve().is_dir()


def test_kustomize_lists_every_manifest() -> None:
    (kustomization,) = _documents(KUBERNETES / "kustomization.yaml")
    others = {path.name for path in KUBERNETES.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(kustomization["resources"]) == others
