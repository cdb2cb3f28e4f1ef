"""The real Gemini CLI, Copilot CLI and opencode under one server, on stand-ins of model APIs."""

import json
import shutil
from collections.abc import Iterator

import pytest

from reconciler.core.runs.key import NO_ANSWER
from reconciler.core.runs.run import Reason, Run, Status
from reconciler.dispatch.cli.result import LINGERED
from tests.e2e.ledger import Ledger
from tests.support.eventually import eventually
from tests.support.missing import missing
from tests.support.model_api import ModelApi
from tests.support.model_chats import CACHED, INPUT, OUTPUT, TEXT
from tests.support.process import Site
from tests.support.rig import agent, autopilot

WITHIN = 120.0
KINDS = ("gemini", "copilot", "opencode")
KEY = "stand-in-key"
SETTINGS = {
    "security": {"auth": {"selectedType": "gemini-api-key"}},
    "general": {"maxAttempts": 1},  # as the docs say: it asks ten times otherwise, for minutes
}
MODEL = {
    "gemini": {"model": "gemini-3.1-pro-preview"},
    "copilot": {"model": "gpt-5"},
    "opencode": {},
}


def environment(kind: str, url: str) -> dict[str, str]:
    """What leads an agent to the stand-in."""
    match kind:
        case "gemini":
            return {"GEMINI_API_KEY": KEY, "GOOGLE_GEMINI_BASE_URL": url}
        case "copilot":
            return {
                "COPILOT_OFFLINE": "true",
                "COPILOT_PROVIDER_BASE_URL": f"{url}/v1",
                "COPILOT_PROVIDER_API_KEY": KEY,
            }
        case _:
            options = {"baseURL": f"{url}/v1", "apiKey": KEY}
            here = {"npm": "@ai-sdk/openai-compatible", "options": options, "models": {"m": {}}}
            settings = {"provider": {"here": here}, "model": "here/m", "small_model": "here/m"}
            return {
                "OPENCODE_CONFIG_CONTENT": json.dumps(settings),
                "OPENCODE_DISABLE_AUTOUPDATE": "1",
                "OPENCODE_DISABLE_MODELS_FETCH": "1",
                "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
            }


@pytest.fixture
def api(sqlite_site: Site) -> Iterator[ModelApi]:
    """A site that has the three agents, each with an autopilot of its name."""
    programs = {kind: shutil.which(kind) or missing(f"{kind} (npm)") for kind in KINDS}
    folder = sqlite_site.folder
    (folder / "home/.gemini").mkdir(parents=True)
    (folder / "home/.gemini/settings.json").write_text(json.dumps(SETTINGS))
    with ModelApi() as made:
        tables = {}
        for kind in KINDS:
            (folder / kind).mkdir()
            env = environment(kind, made.url)
            tables[kind] = {"path": programs[kind], "folders": [str(folder)], "env": [*env]}
            runtime = {"type": "cli", "agent": kind, "program": kind, "env": env, **MODEL[kind]}
            places = {"workDir": str(folder / kind), "home": str(folder / "home")}
            to = {"type": "agent", "id": f"{kind}-bot"}
            sqlite_site.write(
                f"{kind}.yaml",
                agent(f"{kind}-bot", runtime=runtime | places),
                autopilot(kind, assignee=to, description="Label the issues.", timeout="2m"),
            )
        sqlite_site.settings["RECONCILER_COMMANDS"] = json.dumps(tables)
        yield made
    shutil.rmtree(folder / "home/.cache", ignore_errors=True)  # 200 MB that Copilot unpacks


def started(site: Site, kind: str) -> None:
    answer = site.cli("run", kind)
    assert answer.returncode == 0, answer.stderr


def newest(site: Site, kind: str) -> Run:
    return Ledger(site).runs(kind)[-1]


def ended(site: Site) -> dict[str, Run]:
    """A run of each, once all have ended: they work at the same time, and exit by themselves."""
    for kind in KINDS:
        started(site, kind)

    def all_ended() -> dict[str, Run] | None:
        runs = {kind: newest(site, kind) for kind in KINDS}
        return runs if all(run.ended for run in runs.values()) else None

    runs = eventually(all_ended, WITHIN)
    assert runs is not None
    assert [kind for kind, run in runs.items() if LINGERED in (run.note or "")] == []
    return runs


def test_the_other_agents_answer_and_an_api_that_refuses_them_is_no_failure_of_theirs(
    sqlite_site: Site, api: ModelApi
) -> None:
    sqlite_site.serve()
    for kind, run in ended(sqlite_site).items():
        assert run.status is Status.COMPLETED, (kind, run.failure_reason)
        assert run.result["text"] == TEXT, kind
        assert run.result["sessionId"] == run.session_id, kind
        usage = run.usage or {}
        if kind != "copilot":  # which tells none
            counted = [usage[name] for name in ("inputTokens", "cachedTokens", "outputTokens")]
            assert counted == [INPUT, CACHED, OUTPUT], kind
        assert kind != "gemini" or usage["model"] == MODEL[kind]["model"]
    prompts = json.dumps(api.bodies)
    assert prompts.count("Label the issues.") >= len(KINDS)

    api.status = 401
    for kind, run in ended(sqlite_site).items():
        assert run.reason is Reason.TARGET_UNAVAILABLE, (kind, run.failure_reason)
        assert "no login that it takes (status 401)" in str(run.failure_reason), kind


def test_an_api_that_is_down_is_told_from_work_that_goes_on(
    sqlite_site: Site, api: ModelApi
) -> None:
    """Gemini gives up by itself; opencode never does, and its run says what it waits for."""
    api.stop()
    sqlite_site.serve()
    for kind in ("gemini", "opencode"):
        started(sqlite_site, kind)

    def waits() -> Run | None:
        run = newest(sqlite_site, "opencode")
        return run if NO_ANSWER in (run.note or "") else None

    waiting = eventually(waits, WITHIN)
    assert waiting is not None
    assert (waiting.status, "Cannot connect to API" in str(waiting.note)) == ("running", True)
    assert sqlite_site.cli("runs", "cancel", waiting.id).returncode == 0
    gave_up = eventually(lambda: (run := newest(sqlite_site, "gemini")).ended and run, WITHIN)
    assert gave_up
    assert gave_up.reason is Reason.TARGET_UNAVAILABLE, gave_up.failure_reason
    stopped = eventually(lambda: (run := newest(sqlite_site, "opencode")).ended and run, WITHIN)
    assert stopped
    assert (stopped.reason, stopped.note) == (Reason.CANCELLED, waiting.note)
