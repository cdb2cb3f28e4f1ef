"""What strangers send is shown as it is: characters that nobody sees are written as escapes."""

from tests.support.rig import Rig, agent, autopilot, id_of
from tests.web.conftest import Ask

FORGED = "pay \u202elive\u2066 no\u200bw\ufeff"


def test_pages_show_bidirectional_and_zero_width_characters_as_escapes(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot("triage", description=FORGED))
    run = rig.launch(payload={"text": FORGED, "lines": "a\nb"})
    for path in (f"/runs/{run.id}", f"/autopilots/{id_of('triage')}", "/", "/runs"):
        text = ask("GET", path).text
        assert not set(FORGED) & set("\u202e\u2066\u200b\ufeff") & set(text), path
    assert "\\u202elive\\u2066" in ask("GET", f"/runs/{run.id}").text
