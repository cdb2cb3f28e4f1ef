"""A card leads to its own origin, as far as the operator admits it, and nowhere else."""

import pytest

from reconciler.dispatch.a2a.card import calls_back, cards_of, usable
from reconciler.dispatch.reach import Reach

BASE = "https://agents.example.org/triage"
REACH = Reach(("https://agents.example.org", "https://other.example.org"))


@pytest.mark.parametrize(
    ("url", "says"),
    [
        pytest.param(f"{BASE}/a2a", None, id="below"),
        pytest.param("https://agents.example.org:443/v1", None, id="the port that is meant"),
        pytest.param("https://other.example.org/a2a", "another origin", id="another admitted host"),
        pytest.param("https://agents.example.org:8443/", "another origin", id="another port"),
        pytest.param("http://agents.example.org/", "allowed_runtime_urls", id="another scheme"),
        pytest.param("http://169.254.169.254/latest", "allowed_runtime_urls", id="metadata"),
        pytest.param("https://agents.example.org@evil.example", "a user name", id="a user"),
        pytest.param("https://agents.example.org.evil.example/", "allowed", id="a longer name"),
        pytest.param("file:///etc/passwd", "not an absolute", id="a file"),
        pytest.param("", "not an absolute", id="nothing"),
    ],
)
def test_an_interface_is_used(url: str, says: str | None) -> None:
    refusal = usable(url, BASE, REACH)
    assert refusal is None if says is None else refusal is not None and says in refusal


def test_names_of_this_machine_are_one_origin_and_its_ports_are_not() -> None:
    reach = Reach(own_port=8484)
    assert usable("http://localhost:9999/", "http://127.0.0.1:9999", reach) is None
    assert usable("http://127.0.0.1:9998/", "http://127.0.0.1:9999", reach) is not None
    assert usable("http://127.0.0.1:8484/v1/apply", "http://127.0.0.1:9999", reach) is not None


def test_a_card_lies_below_the_agent() -> None:
    assert [*cards_of("https://h/a/")] == [
        "https://h/a/.well-known/agent-card.json",
        "https://h/a/.well-known/agent.json",
    ]


@pytest.mark.parametrize(
    ("callback", "base", "reaches"),
    [
        pytest.param("http://127.0.0.1:8484/", "http://localhost:9999", True, id="both here"),
        pytest.param("http://127.0.0.1:8484/", BASE, False, id="our loopback is not theirs"),
        pytest.param("https://ops.example.org/", BASE, True, id="a public address"),
        pytest.param("https://ops.example.org/", "http://127.0.0.1:9999", True, id="from here"),
    ],
)
def test_an_agent_is_told_an_address_that_it_may_reach(
    callback: str, base: str, reaches: bool
) -> None:
    assert calls_back(callback, base) is reaches
