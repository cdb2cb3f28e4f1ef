"""Pull requests at GitHub, merge requests at GitLab: asked for by their REST APIs.

GitHub: https://docs.github.com/rest/pulls/pulls#create-a-pull-request
GitLab: https://docs.gitlab.com/api/merge_requests/#create-mr
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx

from reconciler.core.base.errors import Unavailable
from reconciler.core.base.identity import is_commit
from reconciler.core.base.masking import mask

_SECONDS = 15.0
_LONGEST = 300
_GITLAB = "/api/v4"
_PLACE = re.compile(r"(?:(?:https?|ssh)://[^/\s]+/|[^/:@\s]+@[^/:\s]+:/?)(?P<path>[^\s?#]+)")
"""A URL of a repository, or `user@host:path` as ssh writes it."""
_HOST = re.compile(
    r"(?:https?://(?:[^/@\s]*@)?(?P<host>[A-Za-z0-9.-]+)(?::\d+)?/"
    r"|(?:ssh://)?[^/:@\s]+@(?P<ssh>[A-Za-z0-9.-]+)(?::\d+/|[:/]))",
    re.ASCII,
)
_FORGES = frozenset({"github", "gitlab", "gitea", "forgejo", "codeberg"})
"""Words in the name of a host by which its kind is known."""


def project_of(url: str) -> str | None:
    """`owner/name` of a repository's URL; None where a forge has no such place."""
    match = _PLACE.fullmatch(url)
    path = match["path"].rstrip("/").removesuffix(".git") if match else ""
    return path if all(path.split("/")) and "/" in path else None


def commit_page(url: str, commit: str) -> str | None:
    """The page of a commit at a forge that is known by its host; None elsewhere.

    Only the host and the path of the repository's URL are taken: what else it has may be a secret.
    """
    match = _HOST.match(url)
    project = project_of(url)
    host = ((match["host"] or match["ssh"]) if match else "").lower()
    words = set(host.split("."))
    if project is None or not is_commit(commit) or not words & _FORGES:
        return None
    middle = "/-/commit/" if "gitlab" in words else "/commit/"
    return f"https://{host}/{quote(project)}{middle}{commit}"


@dataclass(frozen=True, slots=True)
class Forge:
    """`api` is the base of the REST API; GitLab's ends in `/api/v4`. `project` is `owner/name`."""

    api: str
    project: str
    token: str = field(repr=False)

    def open_request(self, branch: str, base: str, title: str, text: str) -> str:
        """Ask that `branch` be merged into `base`, and give the URL of the request.

        Raises Unavailable with what the forge said; never with the token.
        """
        try:
            answer = httpx.post(
                f"{self.api.rstrip('/')}{self._path()}",
                json=self._body(branch, base, title, text),
                headers=self._headers(),
                timeout=_SECONDS,
            )
            document = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise Unavailable(f"the forge does not answer: {type(error).__name__}") from None
        url = document.get(self._url_field()) if isinstance(document, dict) else None
        if answer.status_code != 201 or not isinstance(url, str):
            raise Unavailable(f"the forge says {answer.status_code}: {self._reason(document)}")
        return url

    @property
    def _is_gitlab(self) -> bool:
        return self.api.rstrip("/").endswith(_GITLAB)

    def _path(self) -> str:
        if self._is_gitlab:
            return f"/projects/{quote(self.project, safe='')}/merge_requests"
        return f"/repos/{quote(self.project)}/pulls"

    def _url_field(self) -> str:
        return "web_url" if self._is_gitlab else "html_url"

    def _headers(self) -> Mapping[str, str]:
        if self._is_gitlab:
            return {"PRIVATE-TOKEN": self.token}
        return {
            "Authorization": f"Bearer {self.token}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
        }

    def _body(self, branch: str, base: str, title: str, text: str) -> Mapping[str, Any]:
        if self._is_gitlab:
            return {
                "source_branch": branch,
                "target_branch": base,
                "title": title,
                "description": text,
                "remove_source_branch": True,
            }
        return {"head": branch, "base": base, "title": title, "body": text}

    def _reason(self, document: Any) -> str:
        """What the forge says went wrong; it may repeat what it was sent."""
        message = (
            document.get("message") or document.get("error") if isinstance(document, dict) else ""
        )
        return mask(str(message).replace(self.token, "…"))[:_LONGEST]
