"""What stands in a prompt beside the payload, each in a block that nothing in it can leave."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.base.invisible import INVISIBLE
from reconciler.core.runs.context import (
    LAST_LIMIT,
    LastCompleted,
    context_blocks,
    last_completed,
    run_prompt,
)
from reconciler.core.runs.precheck import OUTPUT_LIMIT
from reconciler.core.runs.prompt import PROMPT_LIMIT
from tests.core.runs.test_prompt import HOSTILE, NONCE
from tests.core.runs.test_view import a_run

AT = datetime(2026, 11, 2, 8, tzinfo=UTC)


def last(result: Any) -> Any:
    return json.loads(json.dumps(last_completed(LastCompleted(AT, AT, result))))


def inside(text: str, name: str) -> str:
    """What stands in a block of that name, whose two delimiters stand on lines of their own."""
    lines = text.split("\n")
    start, end = lines.index(f"<{name} {NONCE}>"), lines.index(f"</{name} {NONCE}>")
    return "\n".join(lines[start + 1 : end])


def test_description_then_context_then_payload() -> None:
    context = {**last("all labelled"), "precheck": "issue 7 is new"}
    text = run_prompt("Label.\n", a_run(context=context, payload={"n": 7}, nonce=NONCE))
    places = [text.index(part) for part in ("Label.", "all labelled", "issue 7", "-payload")]
    assert places == sorted(places)
    assert "ended at 2026-11-02T08:00:00Z" in text


def test_a_run_without_context_is_told_what_it_always_was() -> None:
    assert run_prompt("Label.\n", a_run(nonce=NONCE)) == "Label.\n"


def test_it_is_said_that_no_run_has_completed() -> None:
    text = run_prompt("Label.", a_run(context=last_completed(None), nonce=NONCE))
    assert text == "Label.\n\nNo run of this automation has completed yet."


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_in_its_block(text: str) -> None:
    context = {**last_completed(LastCompleted(AT, AT, text)), "precheck": text}
    for block in context_blocks(context, nonce=NONCE):
        assert block.count(NONCE) == 2
        assert not INVISIBLE.search(block.replace("\n", ""))


@given(st.text())
def test_any_text_stays_in_its_block(printed: str) -> None:
    for block in context_blocks({"precheck": printed}, nonce=NONCE):
        assert block.count(NONCE) == 2
        assert inside(block, "untrusted-precheck") is not None


def test_a_table_keeps_its_tabs_and_lines() -> None:
    (block,) = context_blocks({"precheck": "a\tb\nc\td\n"}, nonce=NONCE)
    assert inside(block, "untrusted-precheck") == "a\tb\nc\td"


@pytest.mark.parametrize("result", ["é" * 50_000, {"a": ["é" * 50_000]}], ids=["text", "JSON"])
def test_a_long_result_is_cut_and_that_is_said(result: Any) -> None:
    (block,) = context_blocks(last(result), nonce=NONCE)
    assert len(inside(block, "untrusted-last-result")) == LAST_LIMIT
    assert "It was too long" in block


def test_the_whole_is_bounded() -> None:
    context = {**last("x" * 10**6), "precheck": "\u202e" * 10**6}
    run = a_run(context=context, payload="y" * 10**6, nonce=NONCE)
    assert len(run_prompt("z" * 100_000, run)) < PROMPT_LIMIT + OUTPUT_LIMIT + LAST_LIMIT + 2_000
