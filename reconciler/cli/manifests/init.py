"""`reconciler init`: a repository of manifests to start from."""

from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from reconciler import __version__
from reconciler.cli import scaffold
from reconciler.cli.console import note_done, out, say
from reconciler.cli.new_files import write_files
from reconciler.manifest import schema as schemas

_PLACES = {
    "agents.yaml": "autopilots/agents.yaml",
    "daily-report.yaml": "autopilots/daily-report.yaml",
    "inbox.yaml": "autopilots/inbox.yaml",
    "workflow.yaml": ".github/workflows/autopilots.yaml",
}
_IGNORED = ".reconciler/\n"
_SETTINGS = ".vscode/settings.json"
# A modeline leads to the schema of the first document only; this holds for all of every file.
_EDITOR = """\
{
  "yaml.schemas": {
    ".schemas/manifest.schema.json": [
      "autopilots/**/*.yaml",
      "autopilots/**/*.yml"
    ]
  }
}
"""


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", file_okay=False, help="Where; here by default.")
    ] = Path(),
) -> None:
    """Start a repository: manifests to edit, a schema for editors, and a workflow for GitHub.

    The workflow plans on pull requests and applies what arrives on main. Nothing that is there
    already is overwritten: exit code 4 then, and no file is made.
    """
    contents = {place: _text(name) for name, place in _PLACES.items()}
    contents[".schemas/manifest.schema.json"] = schemas.text()
    if not (folder / ".gitignore").exists():
        contents[".gitignore"] = _IGNORED
    if not (folder / _SETTINGS).exists():  # somebody's own settings are left alone
        contents[_SETTINGS] = _EDITOR
    paths = write_files(folder, contents)
    note_done("the files were written")
    for path in paths:
        out(str(path))
    say(_next_steps(folder))


def _text(name: str) -> str:
    text = files(scaffold).joinpath(name).read_text("utf-8")
    return text.replace("{VERSION}", __version__)


def _next_steps(folder: Path) -> str:
    ignored = (folder / ".gitignore").read_text("utf-8", "replace").splitlines()
    lines = ["next:"] if folder == Path() else ["next:", f"  cd {folder}"]
    if _IGNORED.strip() not in ignored and _IGNORED.strip().rstrip("/") not in ignored:
        lines.append("  echo .reconciler/ >> .gitignore")
    lines += [
        "  reconciler plan autopilots     # what would change",
        "  reconciler serve autopilots    # apply it, follow it, and run it",
    ]
    return "\n".join(lines)
