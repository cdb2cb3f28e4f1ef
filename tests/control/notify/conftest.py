"""Receivers on loopback."""

from collections.abc import Iterator

import pytest

from tests.support.hooks import HookServer, hook_server


@pytest.fixture
def hook() -> Iterator[HookServer]:
    """A receiver of webhooks."""
    with hook_server() as server:
        yield server
