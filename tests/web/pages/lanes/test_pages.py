"""The pages of time: lanes of all autopilots and of one, and the week that is to come."""

import asyncio
import re
from html import unescape
from pathlib import Path

import pytest

from reconciler.control.access.tokens import Tokens
from reconciler.core.access.token_hash import token_hash
from reconciler.core.base.identity import Revision
from reconciler.core.runs.run import Completed, Failed, Reason
from tests.support.browser import violations
from tests.support.rig import Rig, agent, autopilot, id_of, schedule
from tests.support.web import Web
from tests.web.conftest import Ask
from tests.web.pages.conftest import Open

EVIL = "<script>document.title='taken'</script>\"' onload=x \u202e"


def marks(ask: Ask, path: str) -> list[tuple[str, str]]:
    """The class and the sentence of each mark."""
    page = ask("GET", path)
    assert page.status_code == 200
    found = re.findall(r'<a href="[^"]*" class="([^"]*)" aria-label="([^"]*)"', page.text)
    return [(kind, unescape(words)) for kind, words in found]


@pytest.fixture
def busy(rig: Rig) -> Rig:
    """Runs that ended well and badly, one that was skipped, occurrences that were missed."""
    first = Revision("sha256:first", author="Ada", subject="Begin <b>", committed_at=None)
    rig.apply(agent(), autopilot("triage", schedule("0 * * * *")), revision=first)
    rig.tick(hours=1)
    rig.end(rig.runs()[-1], Completed("ok"))
    rig.tick(hours=1)
    rig.end(rig.runs()[-1], Failed(Reason.AGENT_FAILED, EVIL))
    rig.tick(hours=9)
    rig.tick(hours=1)
    return rig


def test_each_occurrence_and_what_became_of_it_is_drawn(busy: Rig, ask: Ask) -> None:
    kinds = [kind for kind, _ in marks(ask, "/timeline")]
    for kind in ("status-completed", "status-failed", "status-skipped", "missed-missed", "coming"):
        assert kind in kinds
    text = ask("GET", "/timeline").text
    assert "revision first by Ada: Begin &lt;b&gt;" in text
    assert "<script>document" not in text


def test_what_is_late_is_drawn_while_nobody_decides(busy: Rig, ask: Ask) -> None:
    busy.clock.advance(hours=3)
    late = [words for kind, words in marks(ask, "/timeline") if kind == "late"]
    assert len(late) == 1
    assert "is one running?" in late[0]
    assert re.search('aria-label="triage: [^"]*, 1 late"', ask("GET", "/timeline").text)


def test_one_that_takes_no_work_has_nothing_to_come(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot("triage", schedule(), status="paused"))
    path = f"/autopilots/{id_of('triage')}/timeline"
    assert marks(ask, path) == []
    assert re.findall(r'class="level-[1-4]"', ask("GET", path).text) == []


def test_the_week_that_is_to_come_is_counted_by_hour(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot("a", schedule("0 9 * * *")), autopilot("b", schedule("* * * * *")))
    text = ask("GET", "/timeline").text
    assert len(re.findall(r"<td class=\"level-0\"", text)) == rig.clock.now().hour
    assert "3 Nov, 09:00 UTC: 61, of b 60, a" in text
    assert "9 Nov" not in text or "61, of b 60, a" in text


def test_many_runs_are_counted_and_lead_to_the_list_of_them(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot("triage", maxConcurrency=100, maxActive=1000))
    for number in range(70):
        rig.end(rig.launch(), Completed(number))
        rig.clock.advance(minutes=3)
    assert len(marks(ask, f"/autopilots/{id_of('triage')}/timeline")) == 70
    counted = marks(ask, "/timeline")
    assert len(counted) < 70
    assert sum(int(words.split()[1]) for _, words in counted) == 70
    (address, *_) = re.findall(r'<a href="(/runs\?autopilot=[^"]+)"', ask("GET", "/timeline").text)
    listed = ask("GET", unescape(address)).text
    assert listed.count('<th scope="row"') == int(counted[0][1].split()[1])


def test_time_is_turned_by_the_address(busy: Rig, ask: Ask) -> None:
    path = f"/autopilots/{id_of('triage')}/timeline?span=week"
    page = ask("GET", path).text
    earlier = unescape(re.findall(r'href="([^"]+)" rel="prev"', page)[0])
    before = ask("GET", earlier).text
    assert 'rel="next"' not in page
    assert "What is to come" in page
    assert "What is to come" not in before
    assert ">Now</a>" in before


def test_a_token_of_one_workspace_learns_nothing_of_what_others_committed(
    rig: Rig, tmp_path: Path
) -> None:
    theirs = agent()
    theirs["metadata"]["workspace"] = "secret"
    revision = Revision("sha256:both", author="Ada", subject="Fire Bob", committed_at=None)
    rig.apply(agent(), theirs, autopilot(), revision=revision)
    path = tmp_path / "tokens.toml"
    path.write_text(
        '[[token]]\nname = "ada"\nrole = "viewer"\nworkspaces = ["default"]\n'
        f'sha256 = "{token_hash("rct_ada")}"\n'
    )
    web = Web(rig, authority=Tokens(path, rig.clock))

    async def read() -> list[str]:
        async with web.client() as client:
            field = re.findall(
                r'name="form_token" value="([^"]+)"', (await client.get("/login")).text
            )
            data = {"token": "rct_ada", "form_token": field[0]}
            sent = await client.post("/login", data=data)
            cookie = {"Cookie": sent.headers["set-cookie"].partition(";")[0]}
            address = f"/autopilots/{id_of('triage')}"
            paths = ("/timeline", "/sources", "/revision?id=1", address, f"{address}/timeline")
            answers = [await client.get(path, headers=cookie) for path in paths]
            assert {answer.status_code for answer in answers} == {200}
            return [answer.text for answer in answers]

    for page in asyncio.run(read()):
        assert "both" in page or "revision" not in page
        assert "Fire Bob" not in page


@pytest.mark.parametrize(
    "query", ["span=year", "to=yesterday", "cursor=x", "to=0001-01-01T00:00:00Z", "workspace=%00"]
)
def test_nonsense_is_refused(ask: Ask, query: str) -> None:
    assert ask("GET", f"/timeline?{query}").status_code == 400


def test_pages_of_lanes_go_on_by_name(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), *(autopilot(f"chore-{number:02}") for number in range(30)))
    page = ask("GET", "/timeline?span=week").text
    more = unescape(re.findall(r'href="([^"]+)" rel="next">More', page)[0])
    assert "span=week" in more
    assert "chore-29" in ask("GET", more).text
    assert "chore-00" not in ask("GET", more).text


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_lanes_are_read_by_keyboard_and_on_a_phone(
    busy: Rig, web: Web, opened: Open, scheme: str
) -> None:
    with web.served() as url:
        page = opened(f"{url}/timeline", color_scheme=scheme)
        assert violations(page) == []
        page.locator(".lane a[tabindex='0']").focus()
        page.keyboard.press("End")
        assert "is to come" in page.locator("[data-sentence]").inner_text()
        page.keyboard.press("Home")
        page.keyboard.press("ArrowRight")
        assert page.evaluate("document.activeElement.ariaLabel").startswith("triage, ")
        for path in ("/timeline?span=month", f"/autopilots/{id_of('triage')}/timeline"):
            page.goto(url + path)
            page.set_viewport_size({"width": 390, "height": 700})
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
            assert violations(page) == []
        page.locator(".lane a.status-failed").first.click()
        page.wait_for_url("**/runs/*")
