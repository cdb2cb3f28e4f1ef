"""Where the comments of a pull request are: GitHub's and GitLab's REST APIs, as data.

GitHub: "Issue comments", since a pull request is an issue there. GitLab: "Notes" of merge requests.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from reconciler.core.base.errors import UsageError

GITHUB_API = "https://api.github.com"


@dataclass(frozen=True, slots=True)
class Forge:
    """One pull request on one forge.

    `comments` lists and creates, `comment` edits; both are paths below `api`, and `oldest_first` is
    what a list needs to be in that order. `headers` hold the token: they go to `api` only, and into
    no message.
    """

    name: str
    api: str
    headers: Mapping[str, str]
    comments: str
    comment: str
    edit_method: str
    oldest_first: str
    missing_right: str

    def __repr__(self) -> str:
        return f"Forge({self.name}, {self.api}{self.comments})"


def github(env: Mapping[str, str]) -> Forge:
    """The pull request `PULL_REQUEST` of `GITHUB_REPOSITORY`, with `GITHUB_TOKEN`."""
    repository = quote(_required(env, "GITHUB_REPOSITORY"))
    number = _number(env, "PULL_REQUEST")
    headers = {
        "authorization": f"Bearer {_required(env, 'GITHUB_TOKEN')}",
        "accept": "application/vnd.github+json",
        "x-github-api-version": "2022-11-28",
    }
    return Forge(
        name="GitHub",
        api=env.get("GITHUB_API_URL", "").rstrip("/") or GITHUB_API,
        headers=headers,
        comments=f"/repos/{repository}/issues/{number}/comments",
        comment=f"/repos/{repository}/issues/comments",
        edit_method="PATCH",
        oldest_first="",
        missing_right="the job needs `permissions: {pull-requests: write}`",
    )


def gitlab(env: Mapping[str, str]) -> Forge:
    """The merge request of a pipeline; `GITLAB_TOKEN` is an access token with scope `api`."""
    project = quote(_required(env, "CI_PROJECT_ID"), safe="")
    number = _number(env, "CI_MERGE_REQUEST_IID")
    notes = f"/projects/{project}/merge_requests/{number}/notes"
    return Forge(
        name="GitLab",
        api=_required(env, "CI_API_V4_URL").rstrip("/"),
        headers={"private-token": _required(env, "GITLAB_TOKEN")},
        comments=notes,
        comment=notes,
        edit_method="PUT",
        oldest_first="&order_by=created_at&sort=asc",
        missing_right="the access token needs scope `api` and the role Reporter",
    )


def is_by(comment: Mapping[str, Any], me: Mapping[str, Any] | None) -> bool:
    """Whether a comment is ours. Without `me` any bot's is: a token of an app has no user.

    What somebody else wrote is left alone although it begins with our marker: they could edit the
    plan in it afterwards.
    """
    author = comment.get("user") or comment.get("author") or {}
    if me is None:
        return bool(author.get("type") == "Bot")
    return me.get("id") is not None and author.get("id") == me.get("id")


def _required(env: Mapping[str, str], name: str) -> str:
    value = env.get(name, "").strip()
    if not value:
        raise UsageError(f"the environment variable {name} is not set")
    return value


def _number(env: Mapping[str, str], name: str) -> int:
    value = _required(env, name)
    if not (value.isascii() and value.isdigit()):
        raise UsageError(f"{name} is the number of a pull request, found {value[:50]!r}")
    return int(value)
