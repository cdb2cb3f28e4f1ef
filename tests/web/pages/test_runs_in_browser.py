"""Runs in a real browser: output as it comes, a result that is rendered, narrow and dark."""

from collections.abc import Iterator

import pytest

from reconciler.core.runs.run import Completed, Run
from reconciler.dispatch.base import Written
from reconciler.settings import Settings
from tests.support.browser import sideways, violations
from tests.support.rig import Rig, agent, autopilot
from tests.support.web import Web
from tests.web.pages.conftest import Open

pytestmark = pytest.mark.browser

ANSWER = (
    "# Done\n\n- **3** issues\n\n<script>document.title = 'taken'</script>\n\n| a |\n|---|\n| b |"
)
RESULT = {"text": ANSWER, "resumeCommand": "claude --resume x", "denied": [{"tool": "Bash"}]}


class Agent:
    """What an agent has written so far; positions are lengths."""

    def __init__(self) -> None:
        self.text = ""

    async def output(self, run: Run, after: str | None) -> Written:
        """As `Context.output`."""
        begin = 0 if run.ended or not after else int(after)
        return Written(self.text[begin:], "end" if run.ended else str(len(self.text)))


@pytest.fixture
def talker() -> Agent:
    return Agent()


@pytest.fixture
def url(rig: Rig, talker: Agent) -> Iterator[str]:
    with Web(rig, more={"output": talker.output}).served() as url:
        yield url


def test_output_comes_while_the_run_works_and_then_its_result(
    rig: Rig, talker: Agent, url: str, opened: Open
) -> None:
    rig.apply(agent(), autopilot())
    run = rig.launch()
    talker.text = "begun\n"
    page = opened(f"{url}/runs/{run.id}")
    log = page.get_by_role("log")
    assert log.inner_text() == "begun\n"
    talker.text += "<b>more</b>\x1b[31m\n"
    log.get_by_text("<b>more</b>").wait_for()
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    assert log.inner_text().startswith("begun\n<b>more</b>")
    rig.end(run, Completed(RESULT))
    page.get_by_role("heading", name="Done").wait_for()
    assert page.locator(".prose strong").inner_text() == "3"
    assert page.title() != "taken"
    assert page.get_by_text("claude --resume x").is_visible()
    assert page.get_by_role("button", name="Run again").is_visible()


def test_output_comes_below_a_path_as_well(rig: Rig, talker: Agent, opened: Open) -> None:
    settings = Settings(public_url="http://127.0.0.1/autopilots")
    rig.apply(agent(), autopilot())
    run = rig.launch()
    talker.text = "begun\n"
    with Web(rig, settings=settings, more={"output": talker.output}).served() as url:
        page = opened(f"{url}/autopilots/runs/{run.id}")
        talker.text += "more\n"
        page.get_by_role("log").get_by_text("more").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_read_a_run(
    rig: Rig, talker: Agent, url: str, opened: Open, scheme: str
) -> None:
    rig.apply(agent(), autopilot(maxConcurrency=5))
    done, working = rig.launch(payload={"a": {"b": [1, 2]}}), rig.launch()
    rig.end(done, Completed(RESULT))
    talker.text = "x" * 500 + "\n" * 50
    page = opened(f"{url}/runs/{done.id}", color_scheme=scheme)
    for path in (f"/runs/{done.id}", f"/runs/{working.id}", "/runs?live=yes"):
        page.goto(url + path)
        assert violations(page) == []
        for width in (320, 390):
            page.set_viewport_size({"width": width, "height": 700})
            assert sideways(page) == [], f"{path} at {width}"
            for head in page.locator(".prose thead").all():
                assert head.bounding_box()["width"] > 1, "a table of an answer has its header"


def test_a_run_can_be_read_without_a_script(
    rig: Rig, talker: Agent, url: str, opened: Open
) -> None:
    rig.apply(agent(), autopilot())
    talker.text = "begun\n"
    page = opened(f"{url}/runs/{rig.launch().id}", java_script_enabled=False)
    assert page.get_by_role("log").inner_text() == "begun\n"
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("Asked to stop").first.wait_for()
