"""A bare repository as a forge has it, and a clone that people push from."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.support.git import GitFolder


@dataclass(frozen=True, slots=True)
class Hub:
    """`bare` is what is followed and pushed to; `clone` is somebody's own."""

    bare: Path
    clone: GitFolder

    @classmethod
    def make(cls, folder: Path) -> "Hub":
        """An empty hub, and a clone whose branch is `main`."""
        bare = folder / "hub.git"
        command = ["git", "init", "--quiet", "--bare", "--initial-branch=main", str(bare)]
        subprocess.run(command, check=True)
        clone = GitFolder.make(folder / "clone")
        clone.git("remote", "add", "origin", str(bare))
        return cls(bare, clone)

    def push(self, message: str = "A change") -> str:
        """Commit what the clone holds, on top of what is there, and push it."""
        commit = self.clone.commit(message)
        self.clone.git("push", "--quiet", "origin", "main")
        return commit

    def pull(self) -> None:
        """Bring the clone up to date."""
        self.clone.git("pull", "--quiet", "--ff-only", "origin", "main")

    def git(self, *arguments: str) -> str:
        """What git prints of the bare repository."""
        return GitFolder(self.bare).git(*arguments)

    def hook(self, name: str, script: str) -> None:
        """A hook of the hub."""
        path = self.bare / "hooks" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
