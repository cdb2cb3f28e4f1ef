"""Finding what a command line names."""

from reconciler.cli.backend.run_state import ELSEWHERE, no_autopilot
from reconciler.cli.session import key_of
from reconciler.core.manifest.model import Kind
from reconciler.core.manifest.state import Stored
from reconciler.store.engine.database import Database
from reconciler.store.objects.current import find
from reconciler.store.objects.names import workspaces_with


def find_autopilot(state: Database, name: str) -> Stored:
    """The autopilot that `name` or `workspace/name` names. Raises NotFound."""
    key = key_of(Kind.AUTOPILOT, name)
    stored = state.read(lambda tx: find(tx, key))
    if stored is None:
        raise no_autopilot(key, state.read(lambda tx: workspaces_with(tx, key, ELSEWHERE)))
    return stored
