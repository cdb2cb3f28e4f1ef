"""Real git repositories in a temporary folder."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

_ENVIRONMENT = {
    "GIT_AUTHOR_NAME": "Ada Lovelace",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada Lovelace",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
}


@dataclass(frozen=True, slots=True)
class GitFolder:
    """A repository with a checkout, made by `git init`."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> "GitFolder":
        """An empty repository whose branch is `main`."""
        folder.mkdir(parents=True, exist_ok=True)
        made = cls(folder)
        made.git("init", "--quiet", "--initial-branch=main")
        return made

    def git(self, *arguments: str, at: str = "2026-01-02T03:04:05+01:00") -> str:
        """What git prints; commits are made `at` that moment."""
        environment = {
            **os.environ,
            **_ENVIRONMENT,
            "GIT_AUTHOR_DATE": at,
            "GIT_COMMITTER_DATE": at,
        }
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.folder,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
            errors="surrogateescape",
        )
        return done.stdout.strip()

    @classmethod
    def bare(cls, folder: Path) -> "GitFolder":
        """An empty bare repository, as a forge keeps it; its branch is `main`."""
        folder.mkdir(parents=True, exist_ok=True)
        made = cls(folder)
        made.git("init", "--quiet", "--bare", "--initial-branch=main")
        return made

    def write(self, path: str, text: str | bytes) -> None:
        """Write a file of the checkout."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)

    def commit(self, message: str = "A change", **files: str) -> str:
        """Commit everything, after writing `name.yaml` for each keyword, and give the commit."""
        for name, text in files.items():
            self.write(f"{name}.yaml", text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")
