"""`doctor`: everything that can be examined without changing anything (docs/operating.md#doctor).

Each examination stands alone: one that cannot be carried out is an error of its own, and the others
go on.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

from reconciler.control.access.secrets import SecretStore
from reconciler.control.doctor.channels import check_channels
from reconciler.control.doctor.check import Check, error
from reconciler.control.doctor.database import check_clock, check_database, check_zones
from reconciler.control.doctor.host import check_programs, check_settings
from reconciler.control.doctor.work import (
    check_agents,
    check_runs,
    check_secrets,
    check_servers,
    check_triggers,
    check_webhooks,
)
from reconciler.core.base.errors import ReconcilerError
from reconciler.settings import Settings
from reconciler.store.engine.database import Database
from reconciler.store.engine.schema import Schema

Examination = Callable[[], Iterable[Check]]


def examine(settings: Settings, environment: Mapping[str, str] | None = None) -> list[Check]:
    """Examine this host and the database of the settings. Blocks for seconds.

    `environment` is where `{env: NAME}` references are found; that of this process by default.
    """
    checks = [
        *_carried_out("settings", partial(check_settings, settings)),
        *_carried_out("programs", partial(check_programs, settings)),
    ]
    try:
        with Database.open(settings.database, create=False) as database:
            checks += _with_database(settings, database, environment)
    except ReconcilerError as failure:
        checks.append(_failed("database", failure))
    return checks


def _with_database(
    settings: Settings, database: Database, environment: Mapping[str, str] | None
) -> Iterator[Check]:
    checks = _carried_out("database", partial(check_database, database))
    yield from checks
    try:
        readable = database.schema() is Schema.CURRENT
    except ReconcilerError:
        readable = False
    if not readable:
        return  # the tables that everything below reads are not there
    secret_store = SecretStore(settings.secrets_dir, environment)
    examinations: dict[str, Examination] = {
        "clock": partial(check_clock, database),
        "zones": partial(check_zones, database),
        "server": partial(check_servers, database),
        "secrets": partial(check_secrets, database, secret_store),
        "webhooks": partial(check_webhooks, database, settings),
        "triggers": partial(check_triggers, database),
        "runs": partial(check_runs, database),
        "agents": partial(check_agents, database, settings),
        "channels": partial(check_channels, database, settings, environment or os.environ),
    }
    for subject, examination in examinations.items():
        yield from _carried_out(subject, examination)


def _carried_out(subject: str, examination: Examination) -> list[Check]:
    checks: list[Check] = []
    try:
        checks.extend(examination())
    except (ReconcilerError, OSError) as failure:
        checks.append(_failed(subject, failure))
    return checks


def _failed(subject: str, failure: Exception) -> Check:
    return error(subject, str(failure), "correct this, then run `reconciler doctor` again")
