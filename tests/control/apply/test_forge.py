"""Requests to merge, at stand-ins of both forges."""

from collections.abc import Iterator

import pytest

from reconciler.control.apply.forge import Forge, commit_page, project_of
from reconciler.core.base.errors import Unavailable
from tests.support.forge import PROJECT, TOKEN, StandInForge


@pytest.fixture
def forge() -> Iterator[StandInForge]:
    """Both of them."""
    with StandInForge() as forge:
        yield forge


@pytest.mark.parametrize(
    ("url", "project"),
    [
        pytest.param("https://github.com/acme/automations.git", PROJECT, id="https"),
        pytest.param("https://x:token@github.com/acme/automations", PROJECT, id="a token"),
        pytest.param("git@github.com:acme/automations.git", PROJECT, id="ssh"),
        pytest.param("ssh://git@host:2222/acme/automations.git/", PROJECT, id="ssh with a port"),
        pytest.param("https://gitlab.com/a/b/c.git", "a/b/c", id="a group in a group"),
        pytest.param("/srv/hub.git", None, id="a folder"),
        pytest.param("https://host/alone", None, id="no owner"),
        pytest.param("file:///srv/a/b", None, id="a file"),
    ],
)
def test_the_project_is_in_the_url(url: str, project: str | None) -> None:
    assert project_of(url) == project


def test_github_opens_a_pull_request(forge: StandInForge) -> None:
    url = Forge(forge.github, PROJECT, TOKEN).open_request("b", "main", "Title", "Text")
    assert url == "https://github.com/acme/automations/pull/1"
    assert forge.opened == [{"head": "b", "base": "main", "title": "Title", "body": "Text"}]


def test_gitlab_opens_a_merge_request(forge: StandInForge) -> None:
    url = Forge(forge.gitlab, PROJECT, TOKEN).open_request("b", "main", "Title", "Text")
    assert url == "https://gitlab.example.com/acme/automations/-/merge_requests/1"
    (body,) = forge.opened
    assert (body["source_branch"], body["target_branch"]) == ("b", "main")


def test_what_the_forge_says_is_told_and_the_token_never(forge: StandInForge) -> None:
    for api, message in ((forge.github, "Bad credentials"), (forge.gitlab, "401 Unauthorized")):
        wrong = Forge(api, PROJECT, "secret-of-ours")
        with pytest.raises(Unavailable, match=message) as caught:
            wrong.open_request("b", "main", "Title", "Text")
        assert "secret-of-ours" not in f"{caught.value} {wrong}"
    unknown = Forge(forge.gitlab, "acme/other", TOKEN)
    with pytest.raises(Unavailable, match="404 Project Not Found"):
        unknown.open_request("b", "main", "Title", "Text")


def test_a_forge_that_is_away_is_unavailable(forge: StandInForge) -> None:
    gone = forge.github
    forge.__exit__()
    with pytest.raises(Unavailable, match="does not answer"):
        Forge(gone, PROJECT, TOKEN).open_request("b", "main", "Title", "Text")


SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("url", "page"),
    [
        ("https://github.com/acme/ops.git", f"https://github.com/acme/ops/commit/{SHA}"),
        ("https://x:tok@github.com/acme/ops", f"https://github.com/acme/ops/commit/{SHA}"),
        ("git@gitlab.acme.org:a/b/c.git", f"https://gitlab.acme.org/a/b/c/-/commit/{SHA}"),
        ("ssh://git@codeberg.org:22/a/b", f"https://codeberg.org/a/b/commit/{SHA}"),
        ("https://git.acme.org/a/b", None),
        ("/srv/repositories/ops.git", None),
        ('https://github.com.evil"onclick/a/b', None),
        ("javascript:github.com/a/b", None),
        ("", None),
    ],
)
def test_the_page_of_a_commit_is_known_where_the_forge_is(url: str, page: str | None) -> None:
    assert commit_page(url, SHA) == page
    assert commit_page(url, f"sha256:{'0' * 64}") is None
