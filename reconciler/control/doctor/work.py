"""What stands in the way of work: servers, secrets, webhooks, triggers and agents."""

from collections.abc import Iterator
from datetime import timedelta
from importlib.util import find_spec

from reconciler.control.access.keys import read_key, token_hasher
from reconciler.control.access.secrets import SecretMissing, SecretStore
from reconciler.control.doctor.check import Check, error, ok, warning
from reconciler.control.serving import serving
from reconciler.control.webhooks.secret_problems import list_secret_problems
from reconciler.core.manifest.reach import is_loopback, parse_url
from reconciler.core.manifest.runtime import A2aRuntime, CliRuntime, CommandRuntime, secret_refs
from reconciler.dispatch.command.program import program_path
from reconciler.settings import Settings
from reconciler.store.checkup import list_prechecks, list_stalled, list_unreadable_runs
from reconciler.store.engine.database import Database
from reconciler.store.objects.agents import LiveAgent, list_agents
from reconciler.store.objects.triggers import count_due
from reconciler.store.runs.claims import unclaimed
from reconciler.store.webhooks.tokens import wrong_tokens
from reconciler.store.webhooks.webhooks import list_webhooks

SERVER, SECRETS, WEBHOOKS, TRIGGERS, AGENTS = "server", "secrets", "webhooks", "triggers", "agents"
RUNS = "runs"

LATE = timedelta(minutes=1)
UNCLAIMED = timedelta(minutes=5)
"""A run that waits longer for a worker, while no worker of its agent holds one, is nobody's."""


def check_servers(database: Database) -> Iterator[Check]:
    """Whether anything fires and dispatches at all."""
    servers = serving(database)
    late = database.read(lambda tx: count_due(tx, database.now(tx) - LATE))
    if servers:
        urls = ", ".join(server.url for server in servers)
        yield ok(SERVER, f"{len(servers)} run: {urls}")
    else:
        yield warning(SERVER, "no server is running: nothing fires", "run `reconciler serve`")
    if late:
        fix = "look at its log" if servers else "run `reconciler serve`"
        yield error(SERVER, f"{late} triggers are due for more than a minute", fix)


def check_secrets(database: Database, secret_store: SecretStore) -> Iterator[Check]:
    """The secrets of webhooks and agents: there, and able to verify."""
    checks = [*_of_webhooks(database, secret_store), *_of_agents(database, secret_store)]
    yield from checks or [ok(SECRETS, "all that are referred to are there and can be used")]


def _of_webhooks(database: Database, secret_store: SecretStore) -> Iterator[Check]:
    fix = "set it for the server, then send SIGHUP or restart it"
    for problem in list_secret_problems(database, secret_store):
        where = f"{problem.workspace}/{problem.autopilot}/{problem.trigger}"
        why = "; ".join(problem.why) or "no secret is active now"
        if problem.dead:
            yield error(SECRETS, f"webhook {where} can take no delivery: {why}", fix)
        else:
            yield warning(SECRETS, f"webhook {where}: {why}", fix)


def _of_agents(database: Database, secret_store: SecretStore) -> Iterator[Check]:
    for agent in database.read(list_agents):
        for ref in secret_refs(agent.runtime):
            try:
                secret_store.resolve(ref, agent.workspace)
            except SecretMissing as missing:
                yield error(
                    SECRETS,
                    f"agent {agent.workspace}/{agent.name} cannot be used: {missing}",
                    "set it for the server",
                )


def check_webhooks(database: Database, settings: Settings) -> Iterator[Check]:
    """URLs that open, and lead somewhere that a sender can reach."""
    webhooks = database.read(list_webhooks)
    if not webhooks:
        yield ok(WEBHOOKS, "there are none")
        return
    try:
        key = read_key(settings.key_file, settings.secrets_dir)
    except FileNotFoundError:
        yield error(
            WEBHOOKS,
            f"there is no key file {settings.key_file}, from which the URLs derive",
            "name the server's with RECONCILER_KEY_FILE, or restore it: a new key is new URLs",
        )
        return
    wrong = database.read(lambda tx: wrong_tokens(tx, token_hasher(key)))
    if wrong:
        yield error(
            WEBHOOKS,
            f"{len(wrong)} of {len(webhooks)} URLs were made with another key and open nothing",
            "start `reconciler serve` again, which renews them, or name the key that they had",
        )
    else:
        yield ok(WEBHOOKS, f"{len(webhooks)} URLs open their triggers")
    url = settings.base_url()
    host = parse_url(url)
    if settings.public_url is None and host is not None and is_loopback(host.host):
        yield warning(
            WEBHOOKS,
            f"their URLs begin with {url}, which only this host reaches",
            "set public_url to what senders see",
        )


def check_triggers(database: Database) -> Iterator[Check]:
    """Schedules that nothing fires any more."""
    stalled = database.read(list_stalled)
    for trigger in stalled:
        where = f"{trigger.workspace}/{trigger.autopilot}/{trigger.trigger}"
        yield error(
            TRIGGERS,
            f"{where} is stalled: {trigger.reason}",
            "correct its manifest and apply; see docs/time.md#stalled-triggers",
        )
    if not stalled:
        yield ok(TRIGGERS, "none is stalled")


def check_runs(database: Database) -> Iterator[Check]:
    """Runs with which nothing is done, since somebody edited their rows by hand."""
    unreadable = database.read(list_unreadable_runs)
    for run in unreadable:
        yield error(RUNS, f"run {run.id} cannot be read: {run.why}", run.fix)
    if not unreadable:
        yield ok(RUNS, "each one that has not ended can be read")


def _lacks(agent: LiveAgent) -> str:
    return "out of quota" if agent.out_of_quota else "unavailable"


def check_agents(database: Database, settings: Settings) -> Iterator[Check]:
    """Agents that cannot be reached, have no program, or whose workers stay away."""
    now = database.read(database.now)
    agents = database.read(list_agents)
    checks = [check for agent in agents for check in _agent(agent, settings)]
    for workspace, name, program in database.read(list_prechecks):
        checks += _program(f"the precheck of {workspace}/{name}", program, settings)
    checks += [
        error(
            AGENTS,
            f"{agent.workspace}/{agent.name} is {_lacks(agent)} until "
            f"{agent.unavailable_until:%Y-%m-%d %H:%M:%SZ}: {agent.unavailable_reason}",
            "its runs wait; give it more quota, and edit its manifest to have it asked at once"
            if agent.out_of_quota
            else "see that it runs and can be reached from the server",
        )
        for agent in agents
        if agent.unavailable_until is not None and agent.unavailable_until > now
    ]
    for queue in database.read(lambda tx: unclaimed(tx, now, now - UNCLAIMED)):
        checks.append(
            error(
                AGENTS,
                f"{queue.runs} runs wait for a worker of {queue.workspace}/{queue.agent} since "
                f"{queue.since:%Y-%m-%d %H:%M:%SZ}, and none holds a run",
                "start a worker that claims for it; see docs/runtimes.md#worker",
            )
        )
    yield from checks or [ok(AGENTS, f"nothing is wrong with the {len(agents)} that there are")]


def _agent(agent: LiveAgent, settings: Settings) -> Iterator[Check]:
    if isinstance(agent.runtime, A2aRuntime) and find_spec("a2a") is None:
        where = f"{agent.workspace}/{agent.name}"
        missing = f"{where} speaks A2A, and this installation does not"
        yield error(AGENTS, missing, "install the extra: pip install 'autopilot-reconciler[a2a]'")
    if not isinstance(agent.runtime, CommandRuntime | CliRuntime):
        return
    yield from _program(f"{agent.workspace}/{agent.name}", agent.runtime.program, settings)


def _program(where: str, name: str, settings: Settings) -> Iterator[Check]:
    if name in settings.programs:
        return  # `programs` says whether it can be executed
    try:
        program_path(name, settings.programs)
    except (OSError, ValueError) as failure:
        yield error(AGENTS, f"{where} cannot be used: {failure}", "bind it in the settings")
