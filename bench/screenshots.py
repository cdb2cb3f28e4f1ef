"""The pictures of docs/dashboard.md, made of the examples: the morning after a bad change.

`python -m bench.screenshots` writes them into docs/images/. The clock stands still, so that a
picture changes only where the page does.
"""

import argparse
import random
import re
import tempfile
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from reconciler.control.apply.follow_source import Place, Position
from reconciler.control.apply.reconcile import ApplyRequest, apply_once
from reconciler.control.apply.source_files import SourceFiles
from reconciler.control.runs.launch import Order
from reconciler.core.base.identity import Revision
from reconciler.core.manifest.checks import Policy
from reconciler.core.manifest.model import Autopilot
from reconciler.core.manifest.state import Declared
from reconciler.core.runs.run import Completed, Failed, Reason, Run
from reconciler.manifest.load.load import load_path
from reconciler.settings import Settings
from reconciler.store.engine.database import Database
from reconciler.store.revisions.revisions import Via
from reconciler.store.runs.lists import RunFilter, list_runs
from tests.support.browser import chromium
from tests.support.clock import FakeClock
from tests.support.pages import ROOT
from tests.support.rig import Rig, hash_of
from tests.support.web import Web

EXAMPLES = ROOT / "examples/autopilots"
GOOD = Revision("c0ffee" + "4" * 34, author="Grace Hopper", subject="Triage at nine")
BAD = Revision("bada55" + "7" * 34, author="Ada Lovelace", subject="A newer model")
HOURS = 30
BROKEN = "nightly-triage"
SEED = 14
SECRET = "whsec_" + "c2VjcmV0" * 4


def yesterday(rig: Rig) -> dict[str, str]:
    """Let a day and a half pass; return the ids of autopilots by name."""
    policy = Policy(allowed_commands=frozenset({"demo-agent"}))
    apply(rig, policy, GOOD)
    desired = load_path(EXAMPLES, source_id="default", policy=policy)
    ids = {o.key.name: o.id for o in desired.objects.values() if o.key.kind == "Autopilot"}
    chance = random.Random(SEED)
    for step in range(6 * HOURS):
        if step == 6 * (HOURS - 4):
            apply(rig, policy, BAD, description="Ask the newest model.")
        rig.tick(minutes=10)
        if step % 30 == 7:
            rig.launcher.launch(Order(autopilot_id=ids[BROKEN], actor="ada"))
        for run in open_runs(rig):
            rig.clock.advance(seconds=chance.randrange(5, 60))
            if run.autopilot == BROKEN and step >= 6 * (HOURS - 4):
                rig.end(run, Failed(Reason.AGENT_FAILED, "model 'opus-9' does not exist"))
            else:
                rig.end(run, Completed({"labelled": chance.randrange(40)}))
    return ids


def open_runs(rig: Rig) -> list[Run]:
    """The runs that are at work."""
    runs = rig.database.read(lambda tx: list_runs(tx, RunFilter(), limit=200))
    return [run for run in runs if run.active]


def apply(rig: Rig, policy: Policy, revision: Revision, **changed: str) -> None:
    """Bring the examples into force as this commit, which changed the one that breaks."""
    desired = load_path(EXAMPLES, source_id="default", policy=policy, revision=revision)
    objects = {
        key: _changed(declared, changed) if key.name == BROKEN else declared
        for key, declared in desired.objects.items()
    }
    request = ApplyRequest(actor="server", via=Via.SERVER)
    apply_once(rig.database, replace(desired, objects=objects), request, token_hash=hash_of)


def _changed(declared: Declared, changed: dict[str, str]) -> Declared:
    document = declared.document
    document = {**document, "spec": {**document["spec"], **changed}}
    return Declared.of(Autopilot.model_validate(document), declared.origin)


def secrets_of() -> dict[str, str]:
    """A value for each secret that the examples name."""
    text = "".join(path.read_text("utf-8") for path in EXAMPLES.glob("*.yaml"))
    return dict.fromkeys(re.findall(r"AUTOPILOT_SECRET_\w+", text), SECRET)


def shoot(url: str, ids: dict[str, str], folder: Path) -> None:
    """Take the pictures."""
    with chromium() as browser:

        def page(path: str, scheme: str = "light", height: int = 640) -> Any:
            viewport = {"width": 1140, "height": height}
            context = browser.new_context(viewport=viewport, color_scheme=scheme)
            shown = context.new_page()
            shown.goto(url + path)
            return shown

        page("/").screenshot(path=folder / "autopilots.png")
        page(f"/autopilots/{ids[BROKEN]}", "dark").screenshot(path=folder / "autopilot.png")
        editor = page(f"/autopilots/{ids[BROKEN]}/edit", height=900)
        editor.get_by_label("When", exact=True).first.fill("30 7 * * MON-FRI")
        editor.get_by_text("At 07:30").first.wait_for()
        editor.locator("#limits > summary").click()
        editor.get_by_label("Most dollars a day").fill("8")
        editor.locator("#preview code", has_text="spec.budget.perDay").wait_for()
        editor.evaluate("document.getElementById('limits').scrollIntoView({block: 'end'})")
        editor.screenshot(path=folder / "edit.png")


def main() -> None:
    """Write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / "docs/images")
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    clock = FakeClock(datetime.fromisoformat("2026-11-04T06:00:00+00:00") - timedelta(days=1))
    with (
        tempfile.TemporaryDirectory() as name,
        Database.open(f"sqlite:///{name}/state.db", clock=clock.now) as database,
    ):
        database.migrate()
        rig = Rig(database, clock)
        ids = yesterday(rig)
        files = SourceFiles.below(EXAMPLES)
        place = Place("examples/autopilots", "https://github.com/acme/ops.git", "main")
        more = {"followed": lambda: {"default": Position(place)}, "files": lambda _: files}
        settings = Settings(allow_command={"demo-agent": Path("/usr/bin/demo-agent")})
        with Web(rig, settings=settings, secrets=secrets_of(), more=more).served() as url:
            shoot(url, ids, folder)
        rig.close()


if __name__ == "__main__":
    main()
