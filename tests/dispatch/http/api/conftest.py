"""What tests of APIs of others share: one process that evaluates, and a clock that they move."""

from collections.abc import Iterator

import pytest

from reconciler.control.evaluation.evaluator import Evaluator
from tests.support.clock import FakeClock


@pytest.fixture(scope="module")
def evaluator() -> Iterator[Evaluator]:
    with Evaluator() as made:
        yield made


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()
