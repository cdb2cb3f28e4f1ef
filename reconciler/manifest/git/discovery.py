"""Which repository a folder belongs to: decided from above, whatever the folder itself holds.

A pull request may commit files that make its folder look like a repository of its own: `HEAD`,
`config`, `objects/` and `refs/` are a bare one. So only a `.git` counts, and where repositories
lie inside each other, the outermost one whose commit holds the folder is the folder's repository.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from reconciler.core.base.errors import UsageError
from reconciler.manifest.git.program import GitFailed, git_at
from reconciler.manifest.git.repository import Repository


def has_repository(path: Path) -> bool:
    """Whether `path` or a folder above it has a `.git`; git itself is not asked."""
    return any(_tops(path.resolve()))


def repository_around(path: Path, *revisions: str) -> tuple[Repository, str]:
    """The repository that a path lies in, and the path inside it ("" for its top).

    1. Collect the folders with a `.git`, from the path upwards.
    2. Ask git about each from the outermost inwards; one that it does not accept is passed over.
    3. Take the first whose `HEAD`, or any of `revisions`, holds the path, else the innermost.

    Raises UsageError if the path is in no repository, with what git said of the innermost.
    """
    place = path.resolve()
    reason = "neither it nor a folder above it has a .git"
    innermost: Repository | None = None
    for top in reversed(list(_tops(place))):
        try:
            repository = _opened(top)
        except GitFailed as error:
            innermost, reason = None, str(error)
            continue
        innermost, inside = repository, _inside(top, place)
        if inside and any(repository.holds(name, inside) for name in ("HEAD", *revisions)):
            break
    if innermost is None:
        raise UsageError(f"{path} is in no git repository: {reason}")
    return innermost, inside


def _tops(place: Path) -> Iterator[Path]:
    return (folder for folder in (place, *place.parents) if os.path.lexists(folder / ".git"))


def _opened(top: Path) -> Repository:
    """The repository whose `.git` is in `top`, as git resolves it. Raises GitFailed."""
    answer = os.fsdecode(git_at(top, "rev-parse", "--absolute-git-dir", "--show-toplevel"))
    # A path may itself hold a newline; only the whole answer says which one is which.
    git_dir = answer.removesuffix(f"\n{top}\n")
    if git_dir == answer:
        raise GitFailed(f"the repository in {top} has its files elsewhere")
    return Repository(Path(git_dir))


def _inside(top: Path, place: Path) -> str:
    return "" if top == place else place.relative_to(top).as_posix()
