"""A server of pages that follows a folder, and writes into it where its policy says so."""

from pathlib import Path
from typing import Any

from reconciler.control.apply.source_files import SourceFiles
from reconciler.control.apply.write_back import WriteChecks
from reconciler.control.apply.write_folder import FolderWriter
from reconciler.core.manifest.checks import OFFLINE
from reconciler.settings import Settings
from tests.support.rig import Rig, hash_of
from tests.support.web import Web


def following(rig: Rig, folder: Path, policy: Any = "files") -> Web:
    """A server that follows the folder, and writes into it where the policy says so."""
    checks = WriteChecks(
        database=rig.database, source_id="default", policy=OFFLINE, token_hash=hash_of
    )
    files, writer = SourceFiles.below(folder), FolderWriter(folder, checks)
    more: dict[str, Any] = {"files": lambda _source: files}
    if policy == "files":
        more["writer"] = {"default": writer}.get
    return Web(rig, settings=Settings(write_policy=policy), more=more)
