"""What an edit offers to choose from: as far as the workspace may use it."""

import pytest

from reconciler.core.base.errors import InvalidManifests
from reconciler.settings import Settings
from reconciler.web.pages.editor.offers import (
    MOST_MEMBERS,
    Chosen,
    Offers,
    channels_for,
    require_assignee,
)
from tests.support.rig import autopilot, declare

URL = {"url": {"env": "URL"}}
SETTINGS = Settings.model_validate(
    {"channels": {"all": URL, "reds": {**URL, "workspaces": ["red"]}}}
)


@pytest.mark.parametrize(
    ("workspaces", "names"),
    [
        pytest.param(frozenset({"blue"}), ["all", "log"], id="another's channel is not named"),
        pytest.param(frozenset({"blue", "red"}), ["all", "log", "reds"], id="of either"),
        pytest.param(None, ["all", "log", "reds"], id="who sees everything"),
        pytest.param(frozenset(), [], id="who sees nothing"),
    ],
)
def test_channels_are_those_that_are_open(
    workspaces: frozenset[str] | None, names: list[str]
) -> None:
    assert channels_for(SETTINGS, workspaces) == names


@pytest.mark.parametrize(
    ("channels", "first"),
    [(["log", "oncall"], "oncall"), (["log"], "log"), ([], "log")],
)
def test_a_new_row_begins_with_a_channel_that_reaches_people(
    channels: list[str], first: str
) -> None:
    assert Offers(channels=channels).channel == first


def test_an_assignee_is_one_of_its_workspace() -> None:
    after = declare(autopilot("a"))
    require_assignee(after, [Chosen("agent:bot", "default")])
    for others in ([Chosen("agent:bot", "team")], [Chosen("squad:bot", "default")]):
        with pytest.raises(InvalidManifests) as refused:
            require_assignee(after, others)
        assert refused.value.problems[0].field == "spec.assignee.id"
    near = [Chosen("agent:bots", "default")]
    with pytest.raises(InvalidManifests) as refused:
        require_assignee(after, near)
    assert "did you mean 'bots'?" in refused.value.problems[0].message
    # Where there are more than were read nobody can tell.
    require_assignee(after, near * MOST_MEMBERS)
