"""docs/architecture.md and docs/decisions/ show what is there: folders, layers, libraries."""

import re
import tomllib
from itertools import chain
from pathlib import Path

from tests.support.pages import ROOT, blocks, shown

DOCS = ROOT / "docs"
PAGE = DOCS / "architecture.md"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PLACES = (".ci", "bench", "ci", "deploy", "docs", "examples", "reconciler", "schemas", "tests")
UNSHOWN = {"__pycache__", "versions", "templates", "static"}


def test_the_tree_shows_the_folders_that_there_are() -> None:
    tree = next(block.text for block in blocks(PAGE) if block.text.startswith(".ci/"))
    lines = re.findall(r"^( *)([\w.]+)/(?: |$)", tree, re.MULTILINE)
    assert {(len(spaces) // 2, name) for spaces, name in lines} == {
        (len(folder.parts) - 1, folder.name) for folder in _folders()
    }


def _folders() -> set[Path]:
    """Folders with files in them; of the tests only the uppermost, since they mirror the code."""
    found = set[Path]()
    for file in chain.from_iterable((ROOT / place).rglob("*") for place in PLACES):
        inside = file.relative_to(ROOT).parent
        if file.is_file() and UNSHOWN.isdisjoint(inside.parts):
            folder = Path("tests") if inside.parts[0] == "tests" else inside
            found |= {folder, *folder.parents} - {Path()}
    return found


def test_no_other_folder_holds_code() -> None:
    """A new folder at the top has to be shown too; what tools leave behind is ignored by git."""
    ignored = {line.rstrip("/") for line in (ROOT / ".gitignore").read_text("utf-8").split()}
    folders = {path.name for path in ROOT.iterdir() if path.is_dir()}
    left = {name for name in folders - ignored - set(PLACES) if not name.endswith(".egg-info")}
    assert left <= {".git", ".github"}


def test_the_layers_are_those_that_are_checked() -> None:
    contracts = PROJECT["tool"]["importlinter"]["contracts"]
    (layers,) = (one["layers"] for one in contracts if one["name"].startswith("Imports point down"))
    checked = [line.replace("reconciler.", "") for line in layers]
    assert checked in [block.text.splitlines() for block in blocks(PAGE)]


def test_every_file_that_the_page_names_is_there() -> None:
    """A path stands as seen from `reconciler/`, or below the folder of the one before it."""
    code = ROOT / "reconciler"
    there = {path.relative_to(code).as_posix() for path in code.rglob("*.py")}
    for name in re.findall(r"`([\w/]+\.py)`", PAGE.read_text("utf-8")):
        assert any(path == name or path.endswith(f"/{name}") for path in there), name


def test_the_first_decision_names_every_library() -> None:
    page = DOCS / "decisions/0001-libraries.md"
    rows = re.findall(r"^\| `([\w.-]+)` \| ", page.read_text("utf-8"), re.MULTILINE)
    project = PROJECT["project"]
    wanted = chain(project["dependencies"], *project["optional-dependencies"].values())
    names = [re.split(r"[\[<>=~!; ]", requirement)[0] for requirement in wanted]
    assert sorted(rows) == sorted(names)


def test_the_index_lists_every_decision() -> None:
    index = (DOCS / "README.md").read_text("utf-8").splitlines()
    for page in sorted((DOCS / "decisions").glob("*.md")):
        title = re.sub(r"^# (\d+[.:]\s*)?", "", page.read_text("utf-8").splitlines()[0])
        row = f"| [{page.name[:4]}](decisions/{page.name}) | {title} |"
        assert row in index, f"docs/README.md lacks the line: {row}"


def test_decisions_that_the_code_names_are_there() -> None:
    there = {page.name[:4] for page in (DOCS / "decisions").glob("*.md")}
    for module in (ROOT / "reconciler").rglob("*.py"):
        for number in re.findall(r"decision (\d{4})", module.read_text("utf-8")):
            assert number in there, f"{shown(module)} names decision {number}"


def test_migrations_follow_each_other_one_by_one() -> None:
    """Two with one number, as two branches make them, leave no database that can be migrated."""
    files = sorted((ROOT / "reconciler/store/migrations/versions").glob("0*.py"))
    named = [_named_in(file.read_text("utf-8")) for file in files]
    numbers = [f"{number:04}" for number in range(1, len(files) + 1)]
    assert [file.name[:4] for file in files] == numbers
    assert named == list(zip(numbers, [None, *numbers[:-1]], strict=True))


def _named_in(text: str) -> tuple[str, str | None]:
    """A migration's own number and that of the one before it."""
    revision = re.search(r'^revision = "(\w+)"', text, re.MULTILINE)
    before = re.search(r'^down_revision(?:: [^=]+)? = (?:"(\w+)"|None)', text, re.MULTILINE)
    assert revision is not None
    assert before is not None
    return revision[1], before[1]
