"""No expression stalls anyone: bounded in time and memory, and the next one works."""

import asyncio
import fcntl
import os
import signal
import sys
import termios
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.control.evaluation import evaluator as evaluator_module
from reconciler.control.evaluation.evaluator import EvaluationResult, Evaluator, Failed, Kind, Ok
from tests.support.eventually import eventually

VARIABLES: dict[str, Any] = {
    "payload": {"ref": "refs/heads/main", "n": 7, "list": list(range(1000)), "s": "x" * 1000},
    "headers": {"x-github-event": "push"},
    "trigger": {"name": "ci", "kind": "webhook", "label": ""},
    "autopilot": {"name": "triage", "workspace": "platform", "title": "T", "labels": {}},
    "run": {"id": "r1", "source": "webhook"},
    "scheduledFor": None,
    "date": "2026-03-01",
    "time": "09:30",
}
CHEAP = 'payload.ref == "refs/heads/main"'
ORDINARY = 'payload.ref.matches("^refs/heads/(main|release-.*)$")'
SLOW = "payload.list.all(x, payload.list.all(y, x + y >= 0 && x * y >= 0 && x - y < 9999))"
HUNGRY = "[payload.s]" + ".map(a, a + a)" * 18 + ".size() == 1"
HOPELESS = "payload.list.map(x, payload.list.map(y, payload.list.map(z, x + y + z)))"
NOT_A_CONDITION = "a condition must give true or false, this gave a whole number"
NO_KEY = "a concurrency key has 1 to 256 characters, this gave 0"
TITLES_ONLY = "'date' is known in titles only; known here: autopilot, headers, payload, trigger"
BRANCH = 'payload.ref.replace("refs/heads/", "")'


@pytest.fixture(scope="module")
def shared() -> Iterator[Evaluator]:
    """One evaluator whose expressions are all given the time that they need."""
    with Evaluator(timeout=20, workers=1) as evaluator:
        yield evaluator


def children(evaluator: Evaluator) -> list[int]:
    return [each._child.pid for each in evaluator._processes if each._child is not None]


CONDITIONS = [
    pytest.param(CHEAP, Ok(True), id="cheap, true"),
    pytest.param("payload.n > 9", Ok(False), id="cheap, false"),
    pytest.param(ORDINARY, Ok(True), id="in a process"),
    pytest.param("payload.n", Failed(NOT_A_CONDITION), id="not a condition"),
    pytest.param("payload.missing == 1", Failed("there is no 'missing'"), id="cheap, failing"),
    pytest.param(
        "payload.missing.matches('a')", Failed("there is no 'missing'"), id="failing in a process"
    ),
    pytest.param("date == '2026'", Failed(TITLES_ONLY), id="does not compile"),
    pytest.param("payload.s.trim().size() == 1000", Ok(True), id="a text method"),
    pytest.param(
        "payload.n.trim() == ''", Failed("trim works on text"), id="a text method that fails"
    ),
]


@pytest.mark.parametrize(("text", "result"), CONDITIONS)
def test_condition(shared: Evaluator, text: str, result: EvaluationResult) -> None:
    assert shared.condition(text, VARIABLES) == result


@pytest.mark.parametrize(
    ("text", "result"),
    [
        pytest.param("payload.ref", Ok("refs/heads/main"), id="text"),
        pytest.param("payload.n", Ok("7"), id="a number"),
        pytest.param(BRANCH, Ok("main"), id="in a process"),
        pytest.param(f"{BRANCH}.substring(4)", Failed(NO_KEY), id="empty"),
    ],
)
def test_key(shared: Evaluator, text: str, result: EvaluationResult) -> None:
    assert shared.key(text, VARIABLES) == result


@pytest.mark.parametrize(
    ("template", "result"),
    [
        pytest.param(
            "{{ date }}: " + "{{ " + BRANCH + " }}", Ok("2026-03-01: main"), id="both ways"
        ),
        pytest.param(
            "{{ payload.list }}", Ok(f"[{','.join(map(str, range(1000)))}"[:199] + "…"), id="cut"
        ),
        pytest.param(
            "{{ payload.x }}", Failed("{{ payload.x }}: there is no 'x'"), id="a placeholder fails"
        ),
        pytest.param("{{ scheduledFor }}", Failed("the title is empty"), id="nothing is left"),
        pytest.param("{{ date", Failed("'{{' is not closed by '}}'"), id="not a template"),
    ],
)
def test_title(shared: Evaluator, template: str, result: EvaluationResult) -> None:
    assert shared.title(template, VARIABLES) == result


def test_many_keep_their_order(shared: Evaluator) -> None:
    requests = [(ORDINARY, Kind.CONDITION), (CHEAP, Kind.CONDITION), (BRANCH, Kind.KEY)]
    assert shared.evaluate_many(requests, VARIABLES) == [Ok(True), Ok(True), Ok("main")]


def test_lone_surrogates_reach_a_process(shared: Evaluator) -> None:
    assert shared.key("payload.replace('a', 'b')", {"payload": "a\ud800"}) == Ok("b?")


def test_what_is_cheap_starts_no_process() -> None:
    with Evaluator() as evaluator:
        assert evaluator.condition(CHEAP, VARIABLES) == Ok(True)
        assert evaluator.key("payload.n", VARIABLES) == Ok("7")
        assert not children(evaluator)


def test_hopeless_work_is_not_started() -> None:
    with Evaluator() as evaluator:
        result = evaluator.condition(HOPELESS, VARIABLES)
        assert isinstance(result, Failed)
        assert "nest fewer macros" in result.message
        assert not children(evaluator)


def test_an_expression_out_of_time_fails_and_the_next_one_works() -> None:
    with Evaluator(timeout=0.1, workers=1) as evaluator:
        assert evaluator.condition(ORDINARY, VARIABLES) == Ok(True)
        slow = evaluator.condition(SLOW, VARIABLES)
        assert slow == Failed("it took more than 100 ms of CPU time")
        assert evaluator.condition(ORDINARY, VARIABLES) == Ok(True)


def test_an_expression_out_of_memory_fails_and_the_next_one_works() -> None:
    with Evaluator(timeout=20, workers=1) as evaluator:
        assert evaluator.condition(ORDINARY, VARIABLES) == Ok(True)
        hungry = evaluator.condition(HUNGRY, VARIABLES)
        assert isinstance(hungry, Failed)
        assert "memory" in hungry.message
        assert not hungry.transient
        assert evaluator.condition(ORDINARY, VARIABLES) == Ok(True)


def test_a_process_that_was_killed_while_idle_is_replaced() -> None:
    with Evaluator(workers=1) as evaluator:
        assert evaluator.condition(ORDINARY, VARIABLES) == Ok(True)
        (pid,) = children(evaluator)
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert evaluator.condition(ORDINARY, VARIABLES) == Ok(True)


def test_a_process_that_is_killed_at_work_fails_as_transient() -> None:
    with Evaluator(workers=1) as evaluator:
        assert evaluator.condition(ORDINARY, VARIABLES) == Ok(True)
        (pid,) = children(evaluator)
        os.kill(pid, signal.SIGSTOP)
        killer = threading.Thread(target=kill_once_asked, args=(evaluator, pid))
        killer.start()
        result = evaluator.condition(ORDINARY, VARIABLES)
        killer.join()
        assert result == Failed("the process that evaluates it was lost", transient=True)
        assert evaluator.condition(ORDINARY, VARIABLES) == Ok(True)


def kill_once_asked(evaluator: Evaluator, pid: int) -> None:
    """Kill a child that is stopped when a question lies in its pipe."""
    child = evaluator._processes[0]._child
    assert child is not None
    assert child.stdin is not None
    pipe = child.stdin.fileno()
    eventually(lambda: int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder))
    os.kill(pid, signal.SIGKILL)


def test_a_process_that_never_answers_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    with Evaluator(timeout=0.1, workers=1) as evaluator:
        assert evaluator.condition(ORDINARY, VARIABLES) == Ok(True)
        (pid,) = children(evaluator)
        monkeypatch.setattr(evaluator_module, "PATIENCE", 0.1)
        os.kill(pid, signal.SIGSTOP)
        result = evaluator.condition(ORDINARY, VARIABLES)
        assert result == Failed("the process that evaluates it was lost", transient=True)
        assert pid not in children(evaluator)


def test_a_process_inherits_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOPILOT_SECRET_PLATFORM__CI", "s3cret")
    with Evaluator(workers=1) as evaluator:
        assert evaluator.condition(ORDINARY, VARIABLES) == Ok(True)
        (pid,) = children(evaluator)
        process = Path(f"/proc/{pid}")
        assert b"s3cret" not in (process / "environ").read_bytes()
        assert {path.name for path in (process / "fd").iterdir()} == {"0", "1", "2"}


def test_others_are_not_stalled_meanwhile() -> None:
    """Threads that evaluate cheap expressions, and plain Python, go on while a slow one runs."""
    with Evaluator(timeout=20, workers=1) as evaluator:
        assert evaluator.condition(ORDINARY, VARIABLES) == Ok(True)
        (pid,) = children(evaluator)
        attack = threading.Thread(target=evaluator.condition, args=(SLOW, VARIABLES))
        attack.start()
        eventually(evaluator._idle.empty)
        for _ in range(100):
            assert evaluator.condition(CHEAP, VARIABLES) == Ok(True)
        assert attack.is_alive(), "the slow one has not ended yet"
        os.kill(pid, signal.SIGKILL)
        attack.join()


def test_the_event_loop_goes_on_meanwhile() -> None:
    async def attacked(evaluator: Evaluator) -> tuple[list[list[EvaluationResult]], int]:
        attacks = [evaluator.soon([(SLOW, Kind.CONDITION)], VARIABLES) for _ in range(3)]
        together = asyncio.gather(*attacks)
        turns = 0
        while not together.done():
            (cheap,) = await evaluator.soon([(CHEAP, Kind.CONDITION)], VARIABLES)
            assert cheap == Ok(True)
            await asyncio.sleep(0)
            turns += 1
        return await together, turns

    with Evaluator(timeout=0.1, workers=1) as evaluator:
        results, turns = asyncio.run(attacked(evaluator))
    late = Failed("it took more than 100 ms of CPU time")
    assert results == [[late], [late], [late]]
    assert turns > 100


def test_a_flood_of_slow_ones_fails_as_transient_instead_of_piling_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def flooded(evaluator: Evaluator) -> list[list[EvaluationResult]]:
        attacks = [evaluator.soon([(SLOW, Kind.CONDITION)], VARIABLES) for _ in range(10)]
        return await asyncio.gather(*attacks)

    monkeypatch.setattr(evaluator_module, "MAX_WAITING", 3)
    with Evaluator(timeout=0.01, workers=2) as evaluator:
        results = [result for (result,) in asyncio.run(flooded(evaluator))]
    turned_away = Failed("too many expressions wait to be evaluated", transient=True)
    assert results.count(turned_away) == 7


def test_many_threads_share_few_processes() -> None:
    answers: dict[int, EvaluationResult] = {}

    def ask(evaluator: Evaluator, number: int) -> None:
        payload = {"payload": {"n": [number]}}
        answers[number] = evaluator.key("payload.n.map(n, string(n).trim())[0]", payload)

    with Evaluator(timeout=20, workers=2) as evaluator:
        threads = [threading.Thread(target=ask, args=(evaluator, n)) for n in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(children(evaluator)) <= 2
    assert answers == {n: Ok(str(n)) for n in range(20)}


def test_after_close_nothing_is_left() -> None:
    evaluator = Evaluator(workers=1)
    assert evaluator.condition(ORDINARY, VARIABLES) == Ok(True)
    (pid,) = children(evaluator)
    evaluator.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    closed = Failed("the evaluator is closed", transient=True)
    assert evaluator.condition(ORDINARY, VARIABLES) == closed
    evaluator.close()
