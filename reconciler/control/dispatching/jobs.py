"""From a run to a job: the agent, the prompt, the secrets, all that a runtime needs."""

import base64
import hmac
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reconciler.control.access.secrets import SecretStore
from reconciler.core.manifest.fields import SecretRef, format_instant, parse_instant
from reconciler.core.manifest.model import ExecutionMode, Precheck
from reconciler.core.manifest.runtime import (
    A2aRuntime,
    AegisRuntime,
    CliRuntime,
    CommandRuntime,
    HttpRuntime,
    Runtime,
    own_headers,
)
from reconciler.core.runs.context import run_prompt
from reconciler.core.runs.run import Json, Run
from reconciler.core.runs.view import run_document
from reconciler.dispatch.base import Handle, Hints, Job
from reconciler.store.engine.database import Tx
from reconciler.store.objects.agents import LiveAgent, find_agents
from reconciler.store.objects.manifests import get_document
from reconciler.store.runs.runs import get_runs


@dataclass(frozen=True, slots=True)
class Brief:
    """What one job needs of the database."""

    run: Run
    document: Mapping[str, Any]
    agent: LiveAgent


def read_brief(tx: Tx, run_id: str, workspace: str, agent: str) -> Brief | None:
    """The run, the manifest that it keeps, and its agent; None where one of them is gone."""
    return read_briefs(tx, [(run_id, workspace, agent)])[0]


def read_briefs(tx: Tx, asked: Sequence[tuple[str, str, str]]) -> list[Brief | None]:
    """The same for several runs, given by id, workspace and agent."""
    runs = get_runs(tx, [run_id for run_id, _, _ in asked])
    names: dict[str, set[str]] = defaultdict(set)
    for _, workspace, agent in asked:
        names[workspace].add(agent)
    agents = {
        (workspace, name): live
        for workspace, those in names.items()
        for name, live in find_agents(tx, workspace, sorted(those)).items()
    }
    return [
        Brief(run, get_document(tx, run.spec_digest), live)
        if (run := runs.get(run_id)) and (live := agents.get((workspace, agent)))
        else None
        for run_id, workspace, agent in asked
    ]


def build_job(
    brief: Brief, secret_store: SecretStore, base_url: str, token: str, hints: Hints | None = None
) -> Job:
    """The job of a run. Raises SecretMissing where a secret of the runtime is missing."""
    run, spec = brief.run, brief.document["spec"]
    runtime = brief.agent.runtime
    document = run_document(run)
    env, headers, secret = _resolved(runtime, secret_store, run.workspace)
    own = own_headers(runtime) if isinstance(runtime, HttpRuntime) else {}
    return Job(
        run_id=run.id,
        mode=ExecutionMode(spec["executionMode"]),
        agent=brief.agent.name,
        workspace=run.workspace,
        title=run.title,
        prompt=run_prompt(spec["description"], run),
        run=document,
        runtime=runtime,
        attempt=run.attempts,
        deadline=run.deadline_at or run.created_at,
        env=env,
        headers=headers,
        own_headers=_all_of(own, secret_store, run.workspace),
        secret=secret,
        callback_url=f"{base_url}/v1/runs/{run.id}/complete",
        run_token=token,
        hints=hints,
        handle=handle_of(run),
        allowance_micros=run.allowance_micros or 0,
        expect=spec.get("expect") or spec.get("resultSchema"),
        holds=runtime.holds() if isinstance(runtime, AegisRuntime) else None,
    )


def handle_of(run: Run) -> Handle | None:
    """The handle that was recorded on the run."""
    return Handle(run.session_id, run.handle) if run.handle is not None else None


def build_precheck(brief: Brief) -> Job:
    """The job of a run's precheck. Raises LookupError where its manifest has none."""
    run, spec = brief.run, brief.document["spec"]
    precheck = Precheck.model_validate(spec["precheck"])
    runtime = CommandRuntime(type="command", program=precheck.program, args=precheck.args)
    return Job(
        run_id=run.id,
        mode=ExecutionMode.RUN_ONLY,
        agent=brief.agent.name,
        workspace=run.workspace,
        title=run.title,
        prompt=spec["description"],
        run=run_document(run),
        runtime=runtime,
        attempt=run.attempts,
        deadline=run.deadline_at or run.created_at,
        handle=precheck_handle_of(run),
    )


def precheck_record(handle: Handle, began: datetime, until: datetime) -> dict[str, Json]:
    """What a run keeps of its precheck: since when it runs, until when it may, how it is found."""
    return {
        "began": format_instant(began),
        "until": format_instant(until),
        "detail": dict(handle.detail),
    }


def precheck_until(run: Run) -> datetime | None:
    """The moment at which a precheck that has begun has taken too long."""
    recorded = run.precheck_handle
    return parse_instant(recorded["until"]) if recorded and "until" in recorded else None


def precheck_handle_of(run: Run) -> Handle | None:
    """The handle of the run's precheck, where it has begun and has not let the run go on."""
    recorded = run.precheck_handle
    return Handle(None, recorded["detail"]) if recorded and "detail" in recorded else None


def run_token(key: bytes, run: Run) -> str:
    """The run's own token, the same for each attempt: an agent that honours the idempotency key
    of a repeated request keeps the token of the first one."""
    mac = hmac.digest(key, f"run-token\n{run.id}\n{run.nonce}".encode(), "sha256")
    return f"rct_run_{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def hints_of(key: bytes, run_id: str, base_url: str) -> Hints:
    """Where the agent of a run says that there is news."""
    return Hints(f"{base_url}/v1/runs/{run_id}/hint", hint_token(key, run_id))


def hint_token(key: bytes, run_id: str) -> str:
    """The token of a run's hints, known without the run: a wrong one costs no question to the
    database. It opens nothing else, unlike the run's own."""
    mac = hmac.digest(key, f"hint-token\n{run_id}".encode(), "sha256")
    return f"rct_hint_{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def _resolved(
    runtime: Runtime, secret_store: SecretStore, workspace: str
) -> tuple[dict[str, str], dict[str, str], str | None]:
    """Environment, headers and the one secret of a runtime, with references resolved."""
    where = (secret_store, workspace)
    match runtime:
        case AegisRuntime():
            return _all_of(runtime.env, *where), {}, _optional(runtime.token, *where)
        case A2aRuntime():
            return {}, _all_of(runtime.headers, *where), _optional(runtime.token, *where)
        case HttpRuntime():
            return {}, _all_of(runtime.headers, *where), _optional(runtime.secret, *where)
        case CommandRuntime() | CliRuntime():
            return _all_of(runtime.env, *where), {}, None
        case _:
            return {}, {}, None


def _all_of(
    values: Mapping[str, str | SecretRef], secret_store: SecretStore, workspace: str
) -> dict[str, str]:
    return {name: _value(value, secret_store, workspace) for name, value in values.items()}


def _value(value: str | SecretRef, secret_store: SecretStore, workspace: str) -> str:
    return value if isinstance(value, str) else secret_store.resolve(value, workspace)


def _optional(ref: SecretRef | None, secret_store: SecretStore, workspace: str) -> str | None:
    return None if ref is None else secret_store.resolve(ref, workspace)
