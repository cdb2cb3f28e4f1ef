"""Answers of a server: their content, or the error that the same command has with a database."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import httpx
from pydantic import TypeAdapter, ValidationError

from reconciler.core.base.errors import (
    Blocked,
    Conflict,
    Forbidden,
    InvalidManifests,
    Locked,
    NotFound,
    Objection,
    Problem,
    ReconcilerError,
    Refused,
    StalePlan,
    Unavailable,
    UnsafePlan,
    UsageError,
)
from reconciler.core.base.identity import Revision

_PROBLEM = "application/problem+json"
_NO_ADDRESS = "there is nothing at this address"
"""How the server's 404 of an unknown address begins; one of an unknown object says which."""
_REFUSALS: dict[str, type[Refused]] = {"unsafe": UnsafePlan, "blocked": Blocked}
_PROBLEMS = TypeAdapter(list[Problem])
_OBJECTIONS = TypeAdapter(list[Objection])


def content_of(response: httpx.Response, asked: str, url: str) -> bytes:
    """The content of a success.

    Raises the ReconcilerError that the answer stands for, or Unavailable that says what answered.
    """
    if response.is_success:
        return response.content
    raise _error(response, asked, url)


def _error(response: httpx.Response, asked: str, url: str) -> ReconcilerError:
    status, document = response.status_code, _document(response)
    detail = str(document.get("detail") or f"HTTP {status}")
    match status:
        case 401:
            return Forbidden(_unauthenticated(response, url, detail))
        case 404 | 405 if detail.startswith(_NO_ADDRESS) or status == 405:
            return Unavailable(
                f"the server at {url} has no {asked}: it is older than this command, or not "
                "configured for it; update the server"
            )
        case _ if document:
            return _of_problem(document, status, detail, url)
        case _ if response.is_redirect:
            target = response.headers.get("location", "elsewhere")[:300]
            return Unavailable(
                f"{url} redirects to {target}, and redirects are not followed; give the server's "
                "own address"
            )
    return Unavailable(
        f"{url} answered {asked} with HTTP {status} and is no reconciler server, or something "
        "before it answered; check the address"
    )


def _document(response: httpx.Response) -> Mapping[str, Any]:
    """The problem document; empty where the answer holds no such document."""
    if response.headers.get("content-type", "").partition(";")[0].strip() != _PROBLEM:
        return {}
    try:
        document = json.loads(response.content)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _of_problem(document: Mapping[str, Any], status: int, detail: str, url: str) -> ReconcilerError:
    code = str(document.get("code"))
    match code:
        case "invalid-manifests":
            return _invalid(document)
        case "unsafe" | "blocked" | "refused":
            return _REFUSALS.get(code, Refused)(_objections(document, detail))
        case "stale-plan":
            return StalePlan(detail)
        case "locked":
            return Locked(detail)
        case "usage" | "stretch-invalid":
            return UsageError(detail)
        case "not-found":
            return NotFound(detail)
        case "forbidden":
            return Forbidden(f"{detail}; RECONCILER_TOKEN or --token-file names the token")
        case _ if status == 409:
            return Conflict(detail, reason=code)
        case "body-invalid" | "parameter-invalid" | "bundle-invalid":
            return Unavailable(
                f"the server at {url} does not take what this command sends ({detail}); its "
                "version and that of the command differ"
            )
    return Unavailable(f"the server at {url} says: {detail} [{code}]")


def _unauthenticated(response: httpx.Response, url: str, detail: str) -> str:
    if "authorization" in response.request.headers:
        return (
            f"the server at {url} does not take the token: {detail}; make one with: "
            "reconciler token new"
        )
    return f"the server at {url} asks for a token; set RECONCILER_TOKEN, or give --token-file FILE"


def _invalid(document: Mapping[str, Any]) -> InvalidManifests:
    revision = document.get("revision")
    return InvalidManifests(
        _problems(document.get("problems")),
        revision=Revision(str(revision)) if revision else None,
        warnings=_problems(document.get("warnings")),
    )


def _problems(entries: Any) -> Iterable[Problem]:
    try:
        return _PROBLEMS.validate_python(entries or [])
    except ValidationError:
        return []


def _objections(document: Mapping[str, Any], detail: str) -> list[Objection]:
    try:
        objections = _OBJECTIONS.validate_python(document.get("objections") or [])
    except ValidationError:
        objections = []
    return objections or [Objection(str(document.get("code")), detail)]
