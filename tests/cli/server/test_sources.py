"""What `serve` follows, as the command line and the settings name it."""

from pathlib import Path

import pytest

from reconciler.cli.server.sources import places_of
from reconciler.control.apply.follow_source import Place
from reconciler.core.base.errors import UsageError
from reconciler.settings import Settings
from tests.support.pages import ROOT, blocks

URL = "https://github.com/acme/automations"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        pytest.param({}, {}, id="nothing"),
        pytest.param({"git": URL}, {"default": Place("", URL, "main")}, id="all of main"),
        pytest.param(
            {"git": URL, "git_ref": "live", "git_path": "a/b", "source": "team"},
            {"team": Place("a/b", URL, "live")},
            id="a folder of a branch, as a source of its own",
        ),
    ],
)
def test_what_is_followed(settings: dict[str, str], expected: dict[str, Place]) -> None:
    assert places_of(Settings(**settings), None) == expected  # type: ignore[arg-type]


def test_a_folder_is_followed_by_its_path(tmp_path: Path) -> None:
    assert places_of(Settings(), str(tmp_path)) == {"default": Place(str(tmp_path))}


def test_the_sources_that_the_manual_shows_are_followed(tmp_path: Path) -> None:
    (block,) = blocks(ROOT / "docs" / "gitops.md", "toml")
    config = tmp_path / "reconciler.toml"
    config.write_text(block.text.replace("/srv/autopilots", str(tmp_path)))
    assert places_of(Settings.load(config), None) == {
        "platform": Place("autopilots", "git@github.com:acme/platform.git", "main"),
        "research": Place("", "https://gitlab.example.com/research/agents.git", "main"),
        "local": Place(str(tmp_path)),
    }


@pytest.mark.parametrize(
    ("settings", "path", "message"),
    [
        pytest.param({"git": URL}, ".", "PATH or --git, not both", id="a folder and git"),
        pytest.param(
            {"sources": [{"id": "a", "path": "."}]}, ".", "PATH or", id="a folder and sources"
        ),
        pytest.param(
            {"sources": [{"id": "a", "path": "."}], "git": URL},
            None,
            "--git or",
            id="git and sources",
        ),
        pytest.param({"git_ref": "live"}, ".", "name it with --git URL", id="a ref of nothing"),
        pytest.param({"git": URL, "write_policy": "files"}, None, "folders", id="files of git"),
        pytest.param({"write_policy": "commit"}, ".", "repositories", id="commits of a folder"),
        pytest.param({}, "/nowhere", "/nowhere is not a folder", id="no folder"),
        pytest.param(
            {"sources": [{"id": "a", "path": "/nowhere"}]},
            None,
            "source 'a': /nowhere is not a folder",
            id="a source without its folder",
        ),
    ],
)
def test_what_cannot_be_followed_is_said(
    settings: dict[str, object], path: str | None, message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        places_of(Settings(**settings), path)  # type: ignore[arg-type]
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param('[[sources]]\nid = "a"', "source 'a' needs a path, or git", id="nowhere"),
        pytest.param(
            '[[sources]]\nid = "a"\npath = "x"\nref = "main"', "has a ref and no git", id="a ref"
        ),
        pytest.param(
            '[[sources]]\nid = "a"\npath = "x"\n[[sources]]\nid = "a"\ngit = "y"',
            "two are named 'a'",
            id="one name twice",
        ),
        pytest.param('[[sources]]\nid = "a"\nurl = "x"', "sources.0.url", id="an unknown name"),
        pytest.param('git_poll_interval = "0s"', "git_poll_interval", id="no pause"),
        pytest.param('reconcile_secret = "short"', "at least 16", id="a secret to be guessed"),
    ],
)
def test_settings_that_say_nothing_sensible_are_refused(
    tmp_path: Path, text: str, message: str
) -> None:
    config = tmp_path / "reconciler.toml"
    config.write_text(text)
    with pytest.raises(UsageError) as caught:
        Settings.load(config)
    assert message in str(caught.value)
