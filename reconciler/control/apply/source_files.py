"""The files of a source that this server follows, for whoever wants to show an edit of them."""

from dataclasses import dataclass
from pathlib import Path

from reconciler.core.base.errors import UsageError
from reconciler.manifest.files import Source, is_hidden, is_manifest
from reconciler.manifest.folder import Folder
from reconciler.manifest.git.discovery import repository_around
from reconciler.manifest.git.program import GitFailed


@dataclass(frozen=True, slots=True)
class SourceFiles:
    """`prefix` is where the source lies in its repository, with a slash at its end, or empty."""

    source: Source
    prefix: str = ""

    @classmethod
    def below(cls, folder: Path) -> "SourceFiles":
        """The files of a folder; it may lie in a repository or not."""
        try:
            _, inside = repository_around(folder)
        except UsageError:
            inside = ""
        return cls(Folder(folder), f"{inside}/" if inside else "")

    def read(self, path: str) -> bytes | None:
        """The bytes of a manifest file as it is now; None for any other path, or where it is gone.

        The path was recorded when the object was applied, and may be anything by now.
        """
        parts = path.split("/")
        if any(part in ("", "..") or is_hidden(part) for part in parts) or "\0" in path:
            return None
        try:
            return self.source.again(path) if is_manifest(parts[-1]) else None
        except GitFailed:  # the mirror was made anew, and the commit is not there any more
            return None

    def beside(self, path: str, file: str) -> bytes | None:
        """The bytes of a file that the manifest at `path` names; None where it cannot be read."""
        try:
            content = self.source.beside(path, file)
        except GitFailed:
            return None
        return content if isinstance(content, bytes) else None
