"""`doctor` says what is wrong, each with how to fix it, and changes nothing."""

import random
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.control.access.keys import server_key
from reconciler.control.doctor.check import Check, Verdict
from reconciler.control.doctor.database import check_clock
from reconciler.control.doctor.examine import examine
from reconciler.settings import CommandSettings, Settings
from reconciler.store.engine.database import Database
from reconciler.store.objects.agents import mark_unavailable
from reconciler.store.objects.triggers import stall
from reconciler.store.servers import Server, register
from reconciler.store.tables import autopilot_run
from tests.support.clock import FakeClock
from tests.support.pages import ROOT, code, table
from tests.support.receiver import VARIABLE
from tests.support.rig import KEY, Document, Rig, agent, autopilot, schedule, webhook
from tests.support.signing import WHSEC
from tests.support.vandal import break_column

STANDARD: Document = {"signature": {"scheme": "standard", "secrets": [{"env": VARIABLE}]}}


@dataclass
class HostRig(Rig):
    """A rig whose clock is the host's: `doctor` compares them."""

    url: str = ""


@pytest.fixture
def rig(database_url: str) -> Iterator[HostRig]:
    """A rig that knows its URL."""
    with Database.open(database_url) as database:
        clock = FakeClock(database.read(database.now))
        system = HostRig(database, clock, url=database_url)
        yield system
        system.close()


@contextmanager
def at(rig: HostRig, offset: timedelta) -> Iterator[Rig]:
    """The same database on a host whose clock is `offset` from this one's."""
    clock = FakeClock(rig.clock.now() + offset)
    with Database.open(rig.url, clock=clock.now) as database:
        yield Rig(database, clock, rig.evaluator)


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Settings of a healthy server: a key, and a URL that others reach."""
    key = tmp_path / "server.key"
    key.write_text(f"{KEY.hex()}\n")
    key.chmod(0o600)
    return Settings(
        database=database_url,
        key_file=key,
        secrets_dir=tmp_path / "secrets",
        public_url="https://autopilots.example",
    )


def serve(rig: Rig) -> None:
    """Note a server that lives."""
    now = rig.clock.now()
    rig.database.write(lambda tx: register(tx, Server("s", "elsewhere", 1, "http://h", now, now)))


def wrong(checks: list[Check], subject: str) -> list[str]:
    """What is wrong with a part, as sentences; each of them says how to fix it."""
    bad = [check for check in checks if check.verdict is Verdict.ERROR]
    assert all(check.fix for check in checks if check.verdict is not Verdict.OK)
    return [check.message for check in bad if check.subject == subject]


def test_a_healthy_system_has_nothing_to_report(rig: HostRig, settings: Settings) -> None:
    rig.apply(agent(), autopilot("triage", schedule("0 0 1 1 *"), webhook(**STANDARD)))
    serve(rig)
    checks = examine(settings, {VARIABLE: WHSEC})
    assert {check.verdict for check in checks} == {Verdict.OK}, checks
    assert [check.subject for check in checks] == [
        "settings", "database", "clock", "zones", "server", "secrets", "webhooks", "triggers",
        "runs", "agents", "channels",
    ]  # fmt: skip
    listed = {code(row[0])[0] for row in table(ROOT / "docs/operating.md", "subject")}
    assert listed == {check.subject for check in checks} | {"programs"}, "none is bound here"


def test_a_missing_secret_and_one_that_cannot_verify_are_named(
    rig: HostRig, settings: Settings
) -> None:
    rig.apply(agent(), autopilot("triage", webhook(**STANDARD)))
    (missing,) = wrong(examine(settings, {}), "secrets")
    assert "default/triage/hook can take no delivery" in missing
    assert VARIABLE in missing
    (unusable,) = wrong(examine(settings, {VARIABLE: "whsec_***"}), "secrets")
    assert "not base64" in unusable
    assert wrong(examine(settings, {VARIABLE: WHSEC}), "secrets") == []


def test_the_secrets_of_agents_are_looked_for_too(rig: HostRig, settings: Settings) -> None:
    runtime = {"type": "http", "url": "http://127.0.0.1:1/", "secret": {"file": "signing"}}
    rig.apply(agent(runtime=runtime), autopilot())
    (missing,) = wrong(examine(settings, {}), "secrets")
    assert "agent default/bot cannot be used" in missing
    assert "secrets_dir/default/signing" in missing


def test_another_key_opens_no_url(rig: HostRig, settings: Settings) -> None:
    rig.apply(agent(), autopilot("triage", webhook()))
    settings.key_file.write_text(f"{'ab' * 32}\n")
    (message,) = wrong(examine(settings, {}), "webhooks")
    assert "1 of 1 URLs were made with another key" in message
    settings.key_file.unlink()
    (message,) = wrong(examine(settings, {}), "webhooks")
    assert "there is no key file" in message
    assert not settings.key_file.exists(), "doctor makes nothing"


def test_urls_that_only_this_host_reaches_are_a_warning(rig: HostRig, settings: Settings) -> None:
    rig.apply(agent(), autopilot("triage", webhook()))
    serve(rig)
    local = settings.model_copy(update={"public_url": None})
    (warning,) = [c for c in examine(local, {}) if c.verdict is Verdict.WARNING]
    assert (warning.subject, warning.fix) == ("webhooks", "set public_url to what senders see")


def test_a_stalled_trigger_is_named_with_its_reason(rig: HostRig, settings: Settings) -> None:
    rig.apply(agent(), autopilot("triage", schedule()))
    now = rig.clock.now()
    trigger = rig.triggers("triage")["clock"]
    rig.database.write(lambda tx: stall(tx, trigger.id, now, "no such zone"))
    (message,) = wrong(examine(settings, {}), "triggers")
    assert message == "default/triage/clock is stalled: no such zone"


def test_late_triggers_without_a_server_are_an_error(rig: HostRig, settings: Settings) -> None:
    with at(rig, -timedelta(minutes=10)) as past:
        past.apply(agent(), autopilot("triage", schedule()))
    checks = examine(settings, {})
    assert wrong(checks, "server") == ["1 triggers are due for more than a minute"]
    assert any("no server is running" in check.message for check in checks)


def test_an_unavailable_agent_is_named_with_its_reason(rig: HostRig, settings: Settings) -> None:
    rig.apply(agent(), autopilot())
    until = rig.clock.now() + timedelta(hours=1)
    rig.database.write(lambda tx: mark_unavailable(tx, "default", "bot", until, "refused"))
    (message,) = wrong(examine(settings, {}), "agents")
    assert "default/bot is unavailable until" in message
    assert message.endswith(": refused")


def test_runs_that_nobody_claims_are_counted(rig: HostRig, settings: Settings) -> None:
    with at(rig, -timedelta(minutes=10)) as past:
        past.apply(agent(), autopilot("triage", schedule()))
        past.tick(minutes=2)
        past.round()
    (message,) = wrong(examine(settings, {}), "agents")
    assert message.startswith("1 runs wait for a worker of default/bot since")


def test_a_program_that_is_not_there_or_not_bound_is_named(
    rig: HostRig, settings: Settings, tmp_path: Path
) -> None:
    rig.apply(agent(), autopilot("triage", precheck={"program": "new-issues"}))
    (precheck,) = wrong(examine(settings, {}), "agents")
    assert precheck.startswith("the precheck of default/triage cannot be used")
    command: Document = {"type": "command", "program": "labeler"}
    rig.apply(agent(runtime=command), autopilot())
    (unbound,) = wrong(examine(settings, {}), "agents")
    assert "no program is bound to 'labeler'" in unbound
    path = tmp_path / "labeler"
    table = {"labeler": CommandSettings(path=path)}
    bound = settings.model_copy(update={"commands": table})
    assert wrong(examine(bound, {}), "agents") == []
    (gone,) = wrong(examine(bound, {}), "programs")
    assert "does not exist" in gone
    path.write_text("#!/bin/sh\n")
    (plain,) = wrong(examine(bound, {}), "programs")
    assert "not an executable file" in plain
    path.chmod(0o755)
    assert wrong(examine(bound, {}), "programs") == []


def test_an_agent_whose_protocol_is_not_installed_is_named(
    rig: HostRig, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(rig)
    rig.apply(agent(runtime={"type": "a2a", "url": "http://127.0.0.1:9999"}))
    assert wrong(examine(settings, {}), "agents") == []
    monkeypatch.setitem(sys.modules, "a2a", None)  # as without the extra
    (message,) = wrong(examine(settings, {}), "agents")
    assert message == "default/bot speaks A2A, and this installation does not"


def test_a_clock_behind_what_is_recorded_is_told(rig: HostRig, settings: Settings) -> None:
    with at(rig, timedelta(days=2)) as future:
        future.apply(agent(), autopilot())
    (message,) = wrong(examine(settings, {}), "clock")
    assert "the clock is behind what is recorded" in message


def test_the_clocks_of_both_hosts_are_compared(rig: HostRig) -> None:
    with at(rig, -timedelta(minutes=3)) as slow:
        (check,) = [c for c in check_clock(slow.database) if c.verdict is Verdict.ERROR]
    assert check.message.startswith("the database's clock is 1")
    assert check.message.endswith("s behind this host's")


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    missing = tmp_path / "none" / "state.db"
    (message,) = wrong(examine(Settings(database=f"sqlite:///{missing}"), {}), "database")
    assert "there is no state" in message
    assert not missing.parent.exists()


def test_a_damaged_file_is_told(sqlite_template: Path, tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    content = bytearray(sqlite_template.read_bytes())
    chance = random.Random(1)  # what is damaged at random may be sound by chance
    for page in range(3, 12):
        content[page * 4096 : page * 4096 + 64] = chance.randbytes(64)
    path.write_bytes(content)
    messages = wrong(examine(Settings(database=f"sqlite:///{path}"), {}), "database")
    assert any("damaged" in message for message in messages), messages


def test_a_row_that_refers_to_nothing_is_told(sqlite_template: Path, tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.write_bytes(sqlite_template.read_bytes())
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute(
            "INSERT INTO autopilot_trigger (id, autopilot_id, name, position, kind, enabled, spec, "
            "created_at, updated_at) VALUES ('t', 'gone', 'n', 0, 'api', 1, '{}', '', '')"
        )
    (message,) = wrong(examine(Settings(database=f"sqlite:///{path}"), {}), "database")
    assert "a row of autopilot_trigger refers to a row of autopilot" in message


def test_settings_that_serve_would_refuse_are_told(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'state.db'}"
    public = examine(Settings(database=url, host="192.0.2.1"), {})
    assert "serve refuses to start" in wrong(public, "settings")[0]
    tokens = tmp_path / "tokens.toml"
    tokens.write_text("[[token]]\nname = 1\n")
    assert (
        "tokens_file"
        in wrong(examine(Settings(database=url, tokens_file=tokens), {}), "settings")[0]
    )
    key = tmp_path / "key"
    server_key(key, tmp_path / "secrets")
    key.chmod(0o644)
    assert "chmod 600" in wrong(examine(Settings(database=url, key_file=key), {}), "settings")[0]


def test_a_run_whose_row_cannot_be_read_is_told(rig: HostRig, settings: Settings) -> None:
    rig.apply(agent(), autopilot())
    run = rig.launch()
    assert wrong(examine(settings, {}), "runs") == []
    break_column(rig, autopilot_run.c.cancel_reason, "'whim'", run.id)
    (message,) = wrong(examine(settings, {}), "runs")
    assert message == f"run {run.id} cannot be read: its column cancel_reason holds 'whim'"
