"""`If-Match`: a write of an object that was read, and only if it is still the same."""

from starlette.requests import Request

from reconciler.web.http.problems import HttpProblem


def require_match(request: Request, version: str | None) -> None:
    """Return if the request may write over `version`, the digest of a manifest.

    None stands for an object that is not there yet: nothing need be named, and nothing can be. Of
    a tag only the part before the dot counts; weak tags never match (RFC 9110, 13.1.1). Raises a
    problem 428 without the header, 412 where it names another version.
    """
    header = ", ".join(request.headers.getlist("if-match"))
    if not header:
        if version is not None:
            raise HttpProblem(
                428,
                "precondition-required",
                "say which version this write is of: send the ETag of the GET in If-Match",
            )
        return
    tags = [tag.strip() for tag in header.split(",")]
    if version is None or not ("*" in tags or any(_names(tag, version) for tag in tags)):
        raise stale()


def stale() -> HttpProblem:
    """The object is another one than the request saw."""
    return HttpProblem(
        412,
        "precondition-failed",
        "the manifest has changed since it was read: read it again, then write",
    )


def _names(tag: str, version: str) -> bool:
    return tag.startswith('"') and tag[1:].partition(".")[0] == version[:32]
