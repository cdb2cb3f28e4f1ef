"""What a load costs: in proportion to the files, however many mistakes they hold."""

from collections.abc import Callable
from time import process_time

import pytest

from reconciler.core.base.errors import InvalidManifests, Problem
from reconciler.manifest.load.load import load_bundle
from tests.support.counting import counting

AGENT = """\
apiVersion: autopilots/v1
kind: Agent
metadata: {{name: {0}}}
spec: {{runtime: {{type: worker}}}}
"""
AUTOPILOT = """\
apiVersion: autopilots/v1
kind: Autopilot
metadata: {{name: {0}}}
spec:
  title: T
  assignee: {{type: agent, id: {1}}}
"""
ROME = "  triggers: [{name: t, kind: schedule, cron: '0 9 * * MON-FRI', timezone: Europe/Rome}]\n"
SQUAD = "apiVersion: autopilots/v1\nkind: Squad\nmetadata: {name: s}\nspec:\n  members:\n"


def lines(form: str, count: int) -> str:
    return "".join(form.format(number) for number in range(count))


def documents(*forms: str, count: int) -> str:
    return "---\n".join(form.format(f"x-{n}", f"y-{n}") for form in forms for n in range(count))


def triggers(form: str) -> Callable[[int], str]:
    return lambda count: AUTOPILOT.format("a", "b") + "  triggers:\n" + lines(form, count)


HOSTILE = [
    pytest.param(lambda n: AGENT.format("a") + lines("k{0}: 1\n", n), id="unknown keys"),
    pytest.param(
        lambda n: AUTOPILOT.format("a", "b") + lines("  titl{0}: 1\n", n), id="unknown fields"
    ),
    pytest.param(
        lambda n: documents(AGENT.replace("{0}", "{0}-agent"), AUTOPILOT, count=n),
        id="unknown agents beside many agents",
    ),
    pytest.param(
        lambda n: f"{documents(AGENT, count=n)}---\n{SQUAD}{lines('    - y-{0}x', n)}\n",
        id="unknown members beside many agents",
    ),
    pytest.param(
        lambda n: documents(
            AGENT.replace("{0}", "{1}, workspace: other"), AUTOPILOT.replace("{1}", "{1}"), count=n
        ),
        id="agents of another workspace",
    ),
    pytest.param(
        triggers("    - {{name: t{0}, kind: schedule, every: 1h, timezone: Berlim{0}}}\n"),
        id="unknown zones",
    ),
    pytest.param(
        triggers("    - {{name: t{0}, kind: schedule, cron: '@dayly{0}'}}\n"), id="macros"
    ),
    pytest.param(triggers("    - {{name: T_{0}, kind: api}}\n"), id="bad names"),
    pytest.param(triggers("    - {{name: t{0}, kind: apo{0}}}\n"), id="unknown kinds"),
    pytest.param(
        triggers("    - {{name: t{0}, kind: api, lastFiredAt: 1}}\n"), id="server's fields"
    ),
    pytest.param(
        lambda n: AUTOPILOT.format("a", "b") + lines("  k{0}: 1\n  k{0}: 2\n", n),
        id="keys twice",
    ),
    pytest.param(lambda n: AUTOPILOT.format("a", "b") + lines("  k{0}: !x 1\n", n), id="tags"),
    pytest.param(lambda n: AUTOPILOT.format("a", "b") + lines('  k{0}: "\\0"\n', n), id="NULs"),
    pytest.param(lambda n: "---\na\n" * n, id="documents that are no mappings"),
    pytest.param(lambda n: "---\n[\n" * n, id="documents that are no YAML"),
    pytest.param(lambda n: documents(AGENT.replace("{0}", "bot"), count=n), id="one object often"),
]


@pytest.mark.parametrize("text", HOSTILE)
def test_four_times_the_mistakes_cost_four_times_the_work(text: Callable[[int], str]) -> None:
    problems(text(20))  # what is imported and prepared once
    few, many = steps(text(150)), steps(text(600))
    assert many < 5 * few


def test_a_hostile_file_costs_little_more_than_good_ones() -> None:
    good = "---\n".join(
        [AGENT.format("bot"), *(AUTOPILOT.format(f"a-{n}", "bot") + ROME for n in range(1000))]
    )
    assert problems(good) == ()
    usual = seconds(good)
    assert seconds(AGENT.format("a") + lines("k{0}: 1\n", 16_000)) < 15 * usual
    assert seconds(documents(AGENT.replace("{0}", "{0}-a"), AUTOPILOT, count=500)) < 15 * usual


def problems(text: str) -> tuple[Problem, ...]:
    try:
        load_bundle({"a.yaml": text.encode()}, source_id="s")
    except InvalidManifests as error:
        return error.problems
    return ()


def steps(text: str) -> int:
    """Calls of functions, those of the interpreter's own included: the same on every machine."""
    with counting() as counted:
        problems(text)
    return counted[0]


def seconds(text: str) -> float:
    def once() -> float:
        start = process_time()
        problems(text)
        return process_time() - start

    return min(once() for _ in range(2))
