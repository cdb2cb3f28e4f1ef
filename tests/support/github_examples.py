"""GitHub's own examples of its webhook payloads, from the package that Octokit publishes (MIT)."""

import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

PACKAGE = "@octokit/webhooks-examples@7.6.1"
_MEMBER = "package/api.github.com/index.json"


@lru_cache(maxsize=1)
def github_examples() -> dict[str, list[dict[str, Any]]]:
    """Payloads by the event's name. Skips the test where npm is missing or cannot fetch them.

    With `CI` set it fails in place of that.
    """
    try:
        return _read(_fetched())
    except (OSError, subprocess.SubprocessError) as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"npm cannot fetch {PACKAGE}: {error}")


def _fetched() -> Path:
    """The package's archive, kept in the system's folder for temporary files."""
    kept = Path(tempfile.gettempdir()) / "reconciler-tests" / "webhooks-examples-7.6.1.tgz"
    if not kept.exists():
        npm = shutil.which("npm")
        if npm is None:
            raise FileNotFoundError("npm is not installed")
        kept.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
            command = [npm, "pack", "--silent", PACKAGE]
            subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)
            (archive,) = Path(folder).glob("*.tgz")
            archive.replace(kept)  # whole or not at all: other workers fetch it too
    return kept


def _read(archive: Path) -> dict[str, list[dict[str, Any]]]:
    with tarfile.open(archive) as tar:
        file = tar.extractfile(_MEMBER)
        assert file is not None
        return {event["name"]: event["examples"] for event in json.load(file)}
