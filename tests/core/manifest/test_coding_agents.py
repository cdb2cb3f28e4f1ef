"""What manifests may ask of coding agents: closed lists, no option lifts another's limits."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from reconciler.core.manifest.coding_agents import OPTIONS, CodingAgent
from tests.dispatch.builders import coding_agent

ANY = st.sampled_from(CodingAgent)


@pytest.mark.parametrize(
    ("agent", "fields", "sentence"),
    [
        ("codex", {"maxTurns": 3}, "codex takes no maxTurns"),
        (
            "codex",
            {"permissionMode": "plan"},
            "codex has no permissionMode 'plan'; it has read-only",
        ),
        ("claude", {"allowedTools": ["Bash"]}, "allowedTools adds to a permissionMode"),
        ("claude", {"allowedTools": ["Bash"], "permissionMode": "plan"}, "and not plan"),
        ("claude", {"args": ["--dangerously-skip-permissions"]}, "is not given '--dangerously"),
        ("claude", {"args": ["--permission-mode=bypassPermissions"]}, "is not given"),
        ("claude", {"args": ["--effort", "low", "extra"]}, "is not given 'extra'"),
        ("claude", {"args": ["--effort", "--bare"]}, "has no value"),
        ("claude", {"args": ["--effort"]}, "has no value"),
        ("claude", {"args": ["--bare=yes"]}, "is not given"),
        ("codex", {"args": ["-c", "sandbox_mode=danger-full-access"]}, "is not given '-c'"),
        ("claude", {"args": ["--effort", "{{ run.payload }}"]}, "has no {{ run.payload }}"),
        ("claude", {"allowedTools": ["--bare"], "permissionMode": "dontAsk"}, "pattern"),
        ("claude", {"model": "--bare"}, "pattern"),
        ("cursor", {}, "Input should be"),
    ],
)
def test_what_an_agent_does_not_take_is_refused(
    agent: str, fields: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValidationError, match=sentence):
        coding_agent(agent, **fields)


@given(ANY, st.data())
def test_what_is_listed_is_taken(agent: CodingAgent, data: st.DataObject) -> None:
    options = OPTIONS[agent]
    mode = data.draw(st.sampled_from([None, *options.modes]))
    chosen = data.draw(st.lists(st.sampled_from([*options.extra] or ["none"]), max_size=4))
    args = [
        argument
        for option in chosen
        if option in options.extra
        for argument in ([option, "{{ run.title }}"] if options.extra[option] else [option])
    ]
    assert list(coding_agent(agent, permissionMode=mode, args=args).args) == args


@given(ANY, st.text(max_size=30))
def test_no_other_option_gets_through(agent: CodingAgent, name: str) -> None:
    argument = f"--{name}"
    if argument.partition("=")[0] not in OPTIONS[agent].extra:
        with pytest.raises(ValidationError):
            coding_agent(agent, args=[argument])
