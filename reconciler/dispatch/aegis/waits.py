"""How long things take at an Aegis server, and how often it may be asked."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds, but for `per_minute`."""

    call: float = 15.0
    """For any call but the next ones."""
    create: float = 60.0
    """For a creation without a prompt, which takes under a second on an idle host."""
    batch: float = 60.0
    """For one with a prompt, which waits for the agent; after that it is looked for by its name."""
    between_batches: float = 5.0
    """A key is admitted one batch in this time."""
    limited: float = 10.0
    """How long a key rests after a 429 that names no time."""
    longest_rest: float = 300.0
    """The most that a `Retry-After` is believed."""
    ready: float = 30.0
    """How long an agent may take to start."""
    poll: float = 1.0
    """Between two questions whether an agent is ready, or has its prompt."""
    arrival: float = 10.0
    """How long a prompt may take to show in the transcript."""
    between_lists: float = 3.0
    """Two lists of a key; the events of its sessions make the next one earlier."""
    quiet: float = 3.0
    """How long no hook may have been called for a turn to count as over."""
    read_again: float = 15.0
    """How long the terminal of a session that says nothing new is not read again."""
    cost: float = 120.0
    """How long after a turn the cost of a session may take to be told."""
    per_minute: int = 100
    """Calls of a key that a server admits by default."""
    reserved: int = 40
    """Of these, how many are left to starts and stops."""
