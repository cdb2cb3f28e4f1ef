"""Where a manifest is written, at the forge that its source comes from."""

from dataclasses import dataclass
from urllib.parse import quote

from reconciler.control.apply.follow_source import Position
from reconciler.control.apply.forge import commit_page
from reconciler.core.manifest.state import Origin


@dataclass(frozen=True, slots=True)
class Places:
    """Pages of the forge; None where the source does not come from one that is known."""

    file: str | None = None
    commit: str | None = None


def places_of(origin: Origin | None, position: Position | None) -> Places:
    """The pages of an origin, for a source that this server follows."""
    if origin is None or origin.revision is None or position is None or position.place.url is None:
        return Places()
    url, folder = position.place.url, position.place.path.strip("/")
    path = f"{folder}/{origin.path}" if folder not in ("", ".") else origin.path
    return Places(
        file=file_page(url, origin.revision, path, origin.line),
        commit=commit_page(url, origin.revision),
    )


def file_page(url: str, commit: str, path: str, line: int) -> str | None:
    """The page of a line of a file as a commit has it; None where the forge is not known."""
    page = commit_page(url, commit)
    if page is None:
        return None
    start, _, _ = page.rpartition("/commit/")
    host = page.split("/")[2].split(".")
    kind = "blob" if {"github", "gitlab"} & set(host) else "src/commit"
    return f"{start}/{kind}/{commit}/{quote(path)}#L{line}"
