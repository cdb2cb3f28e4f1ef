"""The parts of one server process, as `reconciler/app.py` wires them."""

from dataclasses import dataclass, field

import structlog

from reconciler.control.access.secrets import SecretStore
from reconciler.control.access.tokens import Tokens
from reconciler.control.dispatching.context import RunnerContext
from reconciler.control.evaluation.evaluator import Evaluator
from reconciler.control.notify.sender import Sender
from reconciler.control.runs.tick import Ticker
from reconciler.control.webhooks.intake import Intake
from reconciler.core.base.errors import UsageError
from reconciler.server.clock_check import ClockCheck
from reconciler.server.followed import FollowedSources
from reconciler.server.health import DatabaseHealth
from reconciler.server.readiness import ServerState
from reconciler.server.signals import Signals
from reconciler.settings import Settings
from reconciler.store.engine.database import Database
from reconciler.telemetry import Metrics
from reconciler.web.http.context import Context

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """Everything of one server; it belongs to the event loop in which it was made.

    `key` is the server's key, `url` where it is reached, `sources` what it follows, `context` what
    the web layer is given. `authority` is None without a tokens file.
    """

    settings: Settings
    database: Database
    key: bytes = field(repr=False)
    url: str
    state: ServerState
    health: DatabaseHealth
    signals: Signals
    metrics: Metrics
    clock_check: ClockCheck
    sources: FollowedSources
    authority: Tokens | None
    secret_store: SecretStore
    evaluator: Evaluator
    ticker: Ticker
    runner: RunnerContext
    sender: Sender
    intake: Intake
    context: Context

    def reload(self) -> None:
        """Read secrets and tokens again (SIGHUP). A tokens file that is wrong changes nothing."""
        self.secret_store.reload()
        try:
            if self.authority is not None:
                self.authority.reload()
        except UsageError as error:
            log.error("tokens not reloaded", why=str(error))
        else:
            # Tokens that were removed end the streams that were opened with them.
            self.context.hub.recheck()
            log.info("reloaded")
