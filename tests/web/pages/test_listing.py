"""The list of autopilots: what is wrong first, filters in the address, pages both ways."""

import re
from html import unescape

import pytest

from reconciler.core.runs.run import Failed, Reason
from reconciler.web.pages.autopilots.order import Judged
from reconciler.web.pages.brief_cache import BriefCache
from tests.support.clock import FakeClock
from tests.support.rig import Document, Rig, agent, autopilot, id_of, manifest, schedule, webhook
from tests.web.conftest import Ask


def shown(ask: Ask, address: str = "/") -> list[str]:
    """The names on a page, in order."""
    answer = ask("GET", address)
    assert answer.status_code == 200, answer.text
    return re.findall(r'<a href="/autopilots/[^"]{36}" title="[^"]*">([^<]+)</a>', answer.text)


def text_of(ask: Ask, address: str = "/") -> str:
    """What people read."""
    main = re.search(r"<main.*</main>", ask("GET", address).text, re.DOTALL)
    assert main
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", main[0])).split())


def many(count: int) -> list[Document]:
    """So many autopilots."""
    return [autopilot(f"chore-{n:03}", title=f"Chore {n}") for n in range(count)]


def test_pages_go_both_ways_and_say_how_many_there_are(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), *many(120))
    assert shown(ask) == [f"chore-{n:03}" for n in range(50)]
    assert "1–50 of 120" in text_of(ask)
    assert 'rel="prev"' not in ask("GET", "/").text
    assert 'href="/?page=2" rel="next"' in ask("GET", "/").text
    middle = ask("GET", "/?page=2").text
    assert 'href="/" rel="prev"' in middle
    assert 'href="/?page=3" rel="next"' in middle
    assert shown(ask, "/?page=3") == [f"chore-{n:03}" for n in range(100, 120)]
    assert 'rel="next"' not in ask("GET", "/?page=3").text


def test_a_page_that_is_no_longer_there_is_the_last_one(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), *many(3))
    assert shown(ask, "/?page=9") == ["chore-000", "chore-001", "chore-002"]


@pytest.mark.parametrize(
    ("address", "names"),
    [
        pytest.param("/?q=mail", ["mail"], id="a part of the title"),
        pytest.param("/?workspace=team", ["theirs"], id="workspace"),
        pytest.param("/?assignee=agent:other", ["mail"], id="assignee"),
        pytest.param("/?label=team%3Dcore", ["hook"], id="label"),
        pytest.param("/?trigger=webhook", ["hook"], id="kind of trigger"),
        pytest.param("/?health=degraded", ["broken"], id="health"),
        pytest.param("/?sort=name", ["broken", "hook", "mail", "theirs"], id="by name"),
        pytest.param("/?sort=next", ["mail", "broken", "hook", "theirs"], id="by the next run"),
        pytest.param("/?sort=last", ["broken", "hook", "mail", "theirs"], id="by the last run"),
        pytest.param("/?q=&workspace=&sort=", ["broken", "hook", "mail", "theirs"], id="empty"),
    ],
)
def test_filters_and_order_stand_in_the_address(
    rig: Rig, ask: Ask, address: str, names: list[str]
) -> None:
    hook, theirs = autopilot("hook", webhook()), autopilot("theirs")
    hook["metadata"]["labels"] = {"team": "core"}
    theirs["metadata"]["workspace"] = "team"
    others = agent()
    others["metadata"]["workspace"] = "team"
    mail = autopilot("mail", schedule(), title="Sort the mail")
    mail["spec"]["assignee"] = {"type": "agent", "id": "other"}
    rig.apply(agent(), agent("other"), others, autopilot("broken"), hook, mail, theirs)
    rig.end(rig.launch("broken"), Failed(Reason.AGENT_FAILED, "no"))
    assert shown(ask, address) == names


def test_counts_are_of_all_that_the_other_filters_fit(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), *many(3), autopilot("paused", status="paused"))
    rig.end(rig.launch("chore-001"), Failed(Reason.AGENT_FAILED, "no"))
    text = text_of(ask, "/?health=degraded")
    assert "4 all 0 failing 0 late 1 degraded 1 paused 2 healthy" in text
    assert shown(ask, "/?health=degraded") == ["chore-001"]
    assert "<title>(1) Autopilots" in ask("GET", "/").text


def test_a_failure_says_what_since_when_and_whose_change(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot())
    run = rig.launch()
    rig.end(run, Failed(Reason.AGENT_FAILED, "no such\nmodel"))
    rig.clock.advance(hours=2)
    text = text_of(ask)
    assert "The last run failed: no such model , since 2 hours ago" in text
    assert f'href="/runs/{run.id}" title="The first run that failed"' in ask("GET", "/").text
    assert "First under" in text


def test_nothing_is_announced_while_nothing_will_run(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot("triage", schedule("0 9 * * *"), status="paused"))
    text = text_of(ask)
    assert "in 1 hour" not in text
    assert "none: the manifest says spec.status: paused" in text


def test_a_moment_has_utc_and_the_triggers_zone_on_hover(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot("triage", schedule("0 10 * * *", timezone="Europe/Rome")))
    assert (
        'title="Mon, 2 Nov 2026, 09:00:00 UTC (Mon 10:00 in Europe/Rome)"' in ask("GET", "/").text
    )


def test_an_archived_autopilot_is_listed_on_request(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot("gone", status="archived"), autopilot())
    assert shown(ask) == ["triage"]
    assert shown(ask, "/?status=archived") == ["gone"]
    assert id_of("gone") in ask("GET", "/?status=archived").text


class SlowClock(FakeClock):
    """A clock by which each read of a list takes a second."""

    slow = False

    def monotonic(self) -> float:
        """Go on by a second each time."""
        if self.slow:
            self.advance(seconds=1)
        return super().monotonic()


def test_the_order_of_a_list_that_takes_long_is_kept_for_ten_times_as_long() -> None:
    clock, reads = SlowClock(), []
    lists = BriefCache[list[Judged]](clock)

    def read() -> list[Judged]:
        reads.append(clock.ticks)
        return []

    lists.get("quick", read)
    lists.get("quick", read)
    assert len(reads) == 2
    clock.slow = True
    lists.get("long", read)
    clock.slow = False
    lists.get("long", read)
    clock.advance(seconds=9)
    lists.get("long", read)
    assert len(reads) == 3
    clock.advance(seconds=2)
    lists.get("long", read)
    lists.get("another", read)
    assert len(reads) == 5


def test_failures_behind_another_trouble_are_told_too(rig: Rig, ask: Ask) -> None:
    hook = webhook("ci", "github", signature={"scheme": "github", "secrets": [{"file": "gone"}]})
    rig.apply(agent(), autopilot("triage", hook))
    rig.end(rig.launch(), Failed(Reason.AGENT_FAILED, "no such model"))
    for address in ("/", f"/autopilots/{id_of('triage')}"):
        text = text_of(ask, address)
        assert "Trigger 'ci' can take no delivery" in text
        assert "The last run failed: no such model" in text


def test_a_run_that_nobody_takes_is_told_after_a_while(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot())
    rig.launch()
    rig.clock.advance(minutes=4)
    assert "waits since" not in text_of(ask)
    rig.clock.advance(minutes=40)
    assert "1 active" in text_of(ask)
    assert "waits since 44 minutes ago" in text_of(ask)


def test_filters_offer_what_there_is(rig: Rig, ask: Ask) -> None:
    """Of one workspace or many; where there is too much to choose from it is completed instead."""
    team = {**agent("lone"), "metadata": {"name": "lone", "workspace": "team"}}
    squad = manifest("Squad", "crowd", {"members": ["bot"]})
    few = (agent(), team, squad, autopilot())
    rig.apply(*few)
    page = ask("GET", "/?assignee=agent:gone").text
    for value, words in (
        ("team", "team"),
        ("agent:lone", "lone (agent)"),
        ("squad:crowd", "crowd (squad)"),
    ):
        assert f'<option value="{value}">{words}</option>' in page
    assert '<option value="agent:gone" selected>agent:gone</option>' in page
    for address in ("/runs", "/timeline", "/deliveries", "/notifications", "/agents"):
        assert (
            '<option value="team" selected>team</option>'
            in ask("GET", f"{address}?workspace=team").text
        )
    assert '<option value="lone" selected>lone</option>' in ask("GET", "/runs?agent=lone").text
    rig.apply(*few, *(agent(f"bot-{n}") for n in range(101)))
    page = ask("GET", "/").text
    assert '<datalist id="all-assignee">' in page
    assert '<option value="agent:bot-100"></option>' in page


def test_a_new_one_begins_where_there_are_agents(rig: Rig, ask: Ask) -> None:
    """In the default workspace, unless only others have some."""
    lone = {**agent("lone"), "metadata": {"name": "lone", "workspace": "team"}}
    rig.apply(lone)
    assert 'name="workspace" value="team"' in ask("GET", "/autopilots/new").text
    rig.apply(lone, agent())
    assert 'name="workspace" value="default"' in ask("GET", "/autopilots/new").text
