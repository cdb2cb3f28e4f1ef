"""What editors say about manifests: the real yaml-language-server with what `init` writes."""

import json
from pathlib import Path

from tests.support.cli import BOT, Cli, autopilot
from tests.support.pages import ROOT
from tests.support.yaml_server import yaml_server


def settings_of(folder: Path) -> dict[str, object]:
    """The settings of the folder as the YAML extension of VS Code hands them on."""
    written = json.loads((folder / ".vscode/settings.json").read_text("utf-8"))
    return {"schemas": written["yaml.schemas"]}


def test_what_init_writes_has_no_diagnostics(cli: Cli) -> None:
    assert cli("init").code == 0
    with yaml_server(cli.folder, settings_of(cli.folder)) as server:
        for file in sorted((cli.folder / "autopilots").glob("*.yaml")):
            assert server.diagnostics(file) == []


def test_every_document_of_a_file_is_checked(cli: Cli) -> None:
    assert cli("init").code == 0
    file = cli.folder / "autopilots/two.yaml"
    file.write_text(f"{BOT}---\n{autopilot('two', more='  concurencyPolicy: queue')}")
    with yaml_server(cli.folder, settings_of(cli.folder)) as server:
        (entry,) = server.diagnostics(file)
    assert "concurencyPolicy" in entry["message"]
    assert entry["range"]["start"]["line"] == file.read_text().split("\n").index(
        "  concurencyPolicy: queue"
    )


def test_the_examples_have_no_diagnostics() -> None:
    schema = (ROOT / "schemas/manifest.schema.json").as_uri()
    with yaml_server(ROOT, {"schemas": {schema: ["examples/**/*.yaml"]}}) as server:
        for file in sorted((ROOT / "examples/autopilots").rglob("*.yaml")):
            assert server.diagnostics(file) == [], file
