"""How many files and sockets this process may have open, and how many of them are connections."""

import resource

WANTED = 65_536
"""What the limit is raised to, where the system allows it."""


def raise_limit() -> int:
    """Raise the soft limit of open files as far as is allowed. Return the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED if hard == resource.RLIM_INFINITY else min(hard, WANTED)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return WANTED if soft == resource.RLIM_INFINITY else soft


def most_connections(wanted: int, limit: int) -> int:
    """Connections that leave room for the database, agents and programs under this limit."""
    return max(8, min(wanted, limit - max(48, limit // 4)))
