"""Pages of the operation in a real browser: by role, in both schemes, on a phone."""

from pathlib import Path

import pytest

from reconciler.control.access.tokens import Tokens
from reconciler.core.access.token_hash import token_hash
from reconciler.core.runs.run import Completed
from reconciler.core.runs.usage import Usage
from tests.support import patient
from tests.support.browser import sideways, violations
from tests.support.rig import Rig, agent, autopilot, id_of, webhook
from tests.support.web import Web
from tests.web.pages.conftest import Open

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(
    ("role", "workspaces", "status"),
    [("viewer", "", 403), ("operator", 'workspaces = ["default"]\n', 403), ("operator", "", 200)],
)
def test_the_server_is_for_operators_of_all_of_it(
    rig: Rig, tmp_path: Path, opened: Open, role: str, workspaces: str, status: int
) -> None:
    path = tmp_path / "tokens.toml"
    path.write_text(
        f'[[token]]\nname = "ada"\nrole = "{role}"\n{workspaces}'
        f'sha256 = "{token_hash("rct_ada")}"\n'
    )
    with Web(rig, authority=Tokens(path, rig.clock)).served() as url:
        page = opened(f"{url}/login")
        page.get_by_label("Token").fill("rct_ada")
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{url}/")
        assert page.get_by_role("link", name="Server").count() == (role == "operator")
        answer = page.context.request.get(f"{url}/settings")
        assert answer.status == status


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_read_these_pages(rig: Rig, web: Web, opened: Open, scheme: str) -> None:
    rig.apply(agent(), autopilot("triage", webhook(), maxConcurrency=5))
    trigger = rig.triggers()["hook"].id
    rig.end(rig.launch(), Completed("ok", Usage(cost_micros=10)))
    rig.clock.advance(minutes=1)
    with web.served() as url:
        shown = patient.get(f"{url}/v1/autopilots/{id_of('triage')}/triggers/{trigger}/url").json()
        sent = patient.post(
            f"{url}/v1/{shown['url'].partition('/v1/')[2]}", json={"a": [1, {"b": 2}]}
        )
        delivery = f"/deliveries/{sent.json()['deliveryId']}"
        paths = ("/deliveries", delivery, "/agents", "/sources", "/revision?id=1")
        page = opened(url, color_scheme=scheme)
        for path in (*paths, "/usage", "/settings"):
            page.goto(url + path)
            assert violations(page) == [], path
            page.set_viewport_size({"width": 390, "height": 700})
            assert sideways(page) == [], path
            page.set_viewport_size({"width": 1240, "height": 900})


def test_a_second_click_starts_no_second_run(rig: Rig, web: Web, opened: Open) -> None:
    rig.apply(agent(), autopilot())
    submit = "new Event('submit', {bubbles: true, cancelable: true})"
    form = "document.querySelector('form[action$=\"/run\"]')"
    clicks = f"[1, 2].map(() => {form}.dispatchEvent({submit}))"
    with web.served() as url:
        page = opened(f"{url}/autopilots/{id_of('triage')}")
        assert page.evaluate(clicks) == [True, False], "the second one is not sent"


REFRESHED = """() => new Promise((done) => {
  const main = document.querySelector("main");
  const isSame = () => done(main === document.querySelector("main"));
  document.addEventListener("refreshed", () => setTimeout(isSame), { once: true });
  document.dispatchEvent(new Event("visibilitychange"));
})"""
BROUGHT_BACK = "dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))"


def test_the_key_of_a_form_is_no_news_and_another_one_on_the_way_back(
    rig: Rig, web: Web, opened: Open
) -> None:
    rig.apply(agent(), autopilot())
    with web.served() as url:
        page = opened(f"{url}/autopilots/{id_of('triage')}")
        keys = page.locator("input[name=idempotency_key]")
        before = keys.evaluate_all("all => all.map((key) => key.value)")
        assert page.evaluate(REFRESHED), "nothing changed but the keys, so nothing is put in"
        assert keys.evaluate_all("all => all.map((key) => key.value)") == before
        page.evaluate(BROUGHT_BACK)
        after = keys.evaluate_all("all => all.map((key) => key.value)")
        assert len({*before, *after}) == 4
