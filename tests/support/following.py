"""A server of pages that follows a folder, and writes into it where its policy says so."""

from pathlib import Path
from typing import Any

from reconciler.control.apply.reconcile import ApplyRequest, apply_once
from reconciler.control.apply.source_files import SourceFiles
from reconciler.control.apply.sources import load_source
from reconciler.control.apply.write_back import WriteChecks
from reconciler.control.apply.write_folder import FolderWriter
from reconciler.core.manifest.checks import OFFLINE
from reconciler.core.plan.guards import Confirmations
from reconciler.settings import Settings
from reconciler.store.revisions.revisions import Via
from tests.support.rig import Rig, hash_of
from tests.support.web import Web


def following(rig: Rig, folder: Path, policy: Any = "files") -> Web:
    """A server that follows the folder, and writes into it where the policy says so."""
    files, writer = SourceFiles.below(folder), FolderWriter(folder, write_checks(rig))
    more: dict[str, Any] = {"files": lambda _source: files}
    if policy == "files":
        more["writer"] = {"default": writer}.get
    return Web(rig, settings=Settings(write_policy=policy), more=more)


def write_checks(rig: Rig) -> WriteChecks:
    """What a write into the source `default` is held to."""
    return WriteChecks(
        database=rig.database, source_id="default", policy=OFFLINE, token_hash=hash_of
    )


def reconcile(rig: Rig, folder: Path, *, whatever_leaves: bool = False) -> None:
    """Apply a folder, as the server does when it starts."""
    loaded = load_source(rig.database, folder, source_id="default", policy=OFFLINE)
    deletes = loaded.plan().summary.archive if whatever_leaves else None
    request = ApplyRequest(
        actor="server", via=Via.SERVER, confirmations=Confirmations(deletes=deletes)
    )
    apply_once(rig.database, loaded.desired, request, token_hash=hash_of)
